// SPDX-License-Identifier: Apache-2.0
//
// The only C++ in nuncio: RE2 has no C interface of its own.
#include <re2/re2.h>

#include <cstring>
#include <memory>
#include <regex>
#include <string>

extern "C" {
#include "base/regex.h"
}

struct nu_regex {
    explicit nu_regex(nu_str p, const re2::RE2::Options &o) : re(re2::StringPiece(p.ptr, p.len), o) {}
    re2::RE2 re;
    std::unique_ptr<std::regex> ecma; // in place of re
};

static re2::StringPiece piece(nu_str s)
{
    return re2::StringPiece(s.ptr != nullptr ? s.ptr : "", s.len);
}

static void give_error(const std::string &text, char *error, size_t cap)
{
    if (cap == 0)
        return;
    size_t n = text.size() < cap - 1 ? text.size() : cap - 1;
    memcpy(error, text.data(), n);
    error[n] = '\0';
}

struct nu_regex *nu_regex_new(nu_str pattern, char *error, size_t cap)
{
    re2::RE2::Options options(re2::RE2::Quiet);
    if (pattern.ptr == nullptr)
        pattern.ptr = "";
    auto *re = new nu_regex(pattern, options);
    if (re->re.ok())
        return re;
    give_error(re->re.error(), error, cap);
    delete re;
    return nullptr;
}

struct nu_regex *nu_regex_new_ecma(nu_str pattern, char *error, size_t cap)
{
    struct nu_regex *re = nu_regex_new(pattern, error, cap);
    if (re != nullptr)
        return re;
    try {
        auto ecma = std::make_unique<std::regex>(pattern.ptr, pattern.len, std::regex::optimize);
        re = new nu_regex(nu_str{"", 0}, re2::RE2::Options(re2::RE2::Quiet));
        re->ecma = std::move(ecma);
    } catch (const std::regex_error &e) {
        give_error(e.what(), error, cap);
    }
    return re;
}

void nu_regex_free(struct nu_regex *re)
{
    delete re;
}

bool nu_regex_full_match(const struct nu_regex *re, nu_str text)
{
    return re2::RE2::FullMatch(piece(text), re->re);
}

bool nu_regex_partial_match(const struct nu_regex *re, nu_str text)
{
    return re2::RE2::PartialMatch(piece(text), re->re);
}

bool nu_regex_check_rewrite(const struct nu_regex *re, nu_str rewrite, char *error, size_t cap)
{
    std::string why;
    if (re->re.CheckRewriteString(piece(rewrite), &why))
        return true;
    give_error(why, error, cap);
    return false;
}

nu_str nu_regex_replace_all(const struct nu_regex *re, nu_str text, nu_str rewrite, struct nu_arena *a)
{
    std::string result(text.ptr != nullptr ? text.ptr : "", text.len);
    if (re2::RE2::GlobalReplace(&result, re->re, piece(rewrite)) == 0)
        return text;
    return nu_arena_str(a, nu_str{result.data(), result.size()});
}

static unsigned match(const struct nu_regex *re, nu_str text, re2::RE2::Anchor anchor, nu_str *out, unsigned n)
{
    constexpr unsigned max = 32;
    re2::StringPiece groups[max];
    unsigned have = static_cast<unsigned>(re->re.NumberOfCapturingGroups()) + 1;
    unsigned want = n < have ? n : have;
    if (want > max)
        want = max;
    if (!re->re.Match(piece(text), 0, text.len, anchor, groups, static_cast<int>(want)))
        return 0;
    for (unsigned i = 0; i < want; i++)
        out[i] = nu_str{groups[i].data(), groups[i].size()};
    return have;
}

unsigned nu_regex_captures(const struct nu_regex *re, nu_str text, nu_str *out, unsigned n)
{
    return match(re, text, re2::RE2::ANCHOR_BOTH, out, n);
}

// std::regex recurses once a character: names of statistics are short.
static unsigned search_ecma(const struct nu_regex *re, nu_str text, nu_str *out, unsigned n)
{
    std::cmatch m;
    if (text.ptr == nullptr || text.len > 4096 || !std::regex_search(text.ptr, text.ptr + text.len, m, *re->ecma))
        return 0;
    for (unsigned i = 0; i < n && i < m.size(); i++)
        out[i] = m[i].matched ? nu_str{m[i].first, static_cast<size_t>(m[i].length())} : nu_str{nullptr, 0};
    return static_cast<unsigned>(m.size());
}

unsigned nu_regex_search(const struct nu_regex *re, nu_str text, nu_str *out, unsigned n)
{
    if (re->ecma != nullptr)
        return search_ecma(re, text, out, n);
    return match(re, text, re2::RE2::UNANCHORED, out, n);
}

int nu_regex_program_size(const struct nu_regex *re)
{
    return re->re.ProgramSize();
}
