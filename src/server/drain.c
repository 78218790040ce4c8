/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of the process: at once, as Envoy does it, or when requests in flight are done. */
#include "base/log.h"
#include "listener/listener.h"
#include "net/conn.h"
#include "server/process.h"
#include "worker/worker.h"

#define END_CHECK NU_MS(50)

static struct nu_loop *main_loop(const struct nu_process *p)
{
    return nu_workers_main(p->server.workers)->loop;
}

void nu_process_quit(struct nu_process *p, int code)
{
    if (p->ending)
        return;
    p->ending = true;
    p->exit_code = code;
    nu_loop_stop(main_loop(p));
}

/* nu_server.draining: responses from now on ask for the end of their connection. */
static void begin_draining(struct nu_process *p)
{
    if (nu_atomic_u32_get(&p->server.draining) != 0)
        return;
    p->server.drain_started_ms = nu_loop_now_ms(main_loop(p));
    nu_atomic_u32_set(&p->server.draining, 1);
}

void nu_process_drain_listeners(struct nu_process *p, bool graceful, bool skip_exit, bool inbound_only)
{
    if (graceful)
        begin_draining(p);
    if (!graceful || !skip_exit)
        nu_listener_manager_drain(p->server.listeners, graceful, inbound_only);
}

/* ---- --drain-on-sigterm ---- */

static void drain_step(struct nu_worker *w, void *arg)
{
    (void)arg;
    nu_conn_drain_all(w);
}

static void on_end_timer(struct nu_timer *t)
{
    struct nu_process *p = nu_container_of(t, struct nu_process, end_timer);
    uint64_t left = nu_listener_manager_n_connections(p->server.listeners);
    bool late = nu_loop_now_ms(main_loop(p)) >= p->end_deadline_ms;
    if (left > 0 && !late) {
        nu_timer_arm(main_loop(p), t, END_CHECK);
        return;
    }
    if (late && left > 0)
        nu_log(main, NU_LOG_WARN, "%llu connection(s) did not end in time", (unsigned long long)left);
    nu_process_quit(p, 0);
}

void nu_process_on_term(struct nu_process *p)
{
    if (p->options.drain_on_sigterm_s == 0 || nu_timer_armed(&p->end_timer)) { /* the second signal does not wait */
        nu_log(main, NU_LOG_WARN, "caught ENVOY_SIGTERM");
        nu_process_quit(p, 0);
        return;
    }
    nu_log(main, NU_LOG_INFO, "draining for at most %llu s", (unsigned long long)p->options.drain_on_sigterm_s);
    nu_atomic_u32_set(&p->server.drain_strategy_immediate, 1);
    begin_draining(p);
    nu_listener_manager_stop_listening(p->server.listeners, false);
    nu_workers_each(p->server.workers, drain_step, NULL, NULL);
    nu_timer_init(&p->end_timer, on_end_timer);
    p->end_deadline_ms = nu_loop_now_ms(main_loop(p)) + p->options.drain_on_sigterm_s * 1000;
    nu_timer_arm(main_loop(p), &p->end_timer, END_CHECK);
}
