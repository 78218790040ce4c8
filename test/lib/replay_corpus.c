/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a fuzz target's entry point on every file of each folder: the corpus as a unit test. A file that once crashed the
 * target is named on stderr before it is run, so that the last line tells which one it was.
 *
 * usage: corpus_TARGET FOLDER... */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LARGEST_INPUT = 16 << 20 };

static void replay(const char *folder, const char *name, uint8_t *room)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    size_t n = fread(room, 1, LARGEST_INPUT, file);
    fclose(file);
    fprintf(stderr, "%s\n", name);
    /* An exact-size copy, so that the sanitizer sees a read past the end. */
    uint8_t *input = malloc(n == 0 ? 1 : n);
    if (input == NULL)
        abort();
    memcpy(input, room, n);
    LLVMFuzzerTestOneInput(input, n);
    free(input);
}

/* How many files the folder has. */
static unsigned replay_folder(const char *folder, uint8_t *room)
{
    unsigned n_files = 0;
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        perror(folder);
        exit(1);
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] == '.')
            continue;
        replay(folder, entry->d_name, room);
        n_files++;
    }
    closedir(dir);
    return n_files;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s FOLDER...\n", argv[0]);
        return 2;
    }
    uint8_t *room = malloc(LARGEST_INPUT);
    if (room == NULL)
        abort();
    for (int i = 1; i < argc; i++) {
        unsigned n_files = replay_folder(argv[i], room);
        printf("%s: %u inputs\n", argv[i], n_files);
        if (n_files == 0)
            return 1; /* an empty corpus tests nothing */
    }
    free(room);
    return 0;
}
