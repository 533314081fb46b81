%% Whatever Python does to its process, the node and the next call carry on.
-module(crash_SUITE).

-export([all/0, init_per_testcase/2, end_per_testcase/2]).
-compile([export_all, nowarn_export_all]).

all() ->
    [
        a_null_pointer_gives_the_signal_and_the_python_stack,
        an_abort_gives_the_signal,
        an_exit_gives_the_status,
        a_kill_from_outside_gives_the_signal,
        the_last_lines_of_stderr_are_in_the_error,
        every_call_in_flight_gets_the_error,
        garbage_in_every_descriptor_harms_only_the_process,
        closing_every_descriptor_harms_only_the_process,
        memory_beyond_the_limit_is_refused_to_python,
        memory_beyond_the_limit_in_c_ends_the_process,
        memory_beyond_a_lifted_limit_ends_the_process,
        closing_what_is_not_the_links_harms_nothing,
        a_module_that_was_replaced_does_not_stop_new_contexts,
        a_crash_leaves_other_processes_alone,
        a_linked_owner_gets_the_exit,
        an_isolated_context_is_gone_after_its_crash,
        a_worker_of_ones_own_dies_with_the_shared_process,
        the_pool_is_back_with_its_setup,
        a_member_whose_setup_fails_after_a_restart_is_replaced,
        twenty_crashes_in_a_row_do_not_stop_the_pool,
        children_of_python_die_with_it,
        stopping_the_application_stops_python,
        stopping_the_application_ends_a_process_that_is_stopped
    ].

init_per_testcase(_, Config) ->
    ok = py_case:start([{num_contexts, 2}]),
    ok = py:stop_contexts(),
    {ok, _} = py:start_contexts(
        py_case:with_programs(#{contexts => 2, preload => <<"mark = 1">>})
    ),
    Config.

end_per_testcase(_, Config) ->
    py_case:stop(Config).

a_null_pointer_gives_the_signal_and_the_python_stack(_) ->
    {ok, OsPid} = py:call(os, getpid, []),
    {error, {context_died, Death}} = py:call(crashes, null_pointer, []),
    #{
        reason := {signal, 11},
        name := sigsegv,
        python_stack := Stack,
        os_pid := OsPid
    } = Death,
    {match, _} = re:run(Stack, "null_pointer"),
    alive().

an_abort_gives_the_signal(_) ->
    {error, {context_died, #{reason := {signal, 6}, name := sigabrt}}} =
        py:call(crashes, abort, []),
    alive().

an_exit_gives_the_status(_) ->
    {error, {context_died, #{reason := {exit_status, 7}}}} =
        py:call(crashes, exit_now, [7]),
    {error, {context_died, #{reason := {exit_status, 0}}}} =
        py:call(crashes, exit_now, [0]),
    alive().

a_kill_from_outside_gives_the_signal(_) ->
    {Listen, Port} = py_case:listen(),
    {ok, OsPid} = py:call(os, getpid, []),
    Busy = py:spawn_call(announce, wait_for_test, [Port]),
    _ = py_case:announced(Listen),
    [] = os:cmd("kill -9 " ++ integer_to_list(OsPid)),
    {error, {context_died, #{reason := {signal, 9}, name := sigkill}}} =
        py:await(Busy),
    alive().

the_last_lines_of_stderr_are_in_the_error(_) ->
    Words = [<<"last words 1">>, 5],
    {error, {context_died, #{stderr := Raw}}} =
        py:call(crashes, last_words, Words),
    {match, _} = re:run(Raw, "last words 1"),
    {error, {context_died, #{stderr := Printed}}} =
        py:call(crashes, python_last_words, [<<"last words 2">>, 5]),
    {match, _} = re:run(Printed, "last words 2"),
    alive().

every_call_in_flight_gets_the_error(_) ->
    {Listen, Port} = py_case:listen(),
    [A, B] = py_context_router:contexts(),
    Busy = py:spawn_call(A, announce, wait_for_test, [Port]),
    _ = py_case:announced(Listen),
    Queued = [py:spawn_call(A, math, sqrt, [4]) || _ <- lists:seq(1, 50)],
    Crash = py:spawn_call(B, crashes, wait_then_crash, [Port]),
    Socket = py_case:announced(Listen),
    ok = gen_tcp:send(Socket, <<"x">>),
    Results = [py:await(Ref) || Ref <- [Busy, Crash | Queued]],
    [{error, {context_died, #{reason := {signal, 11}}}}] =
        [{error, {context_died, maps:with([reason], Death)}}
            || {error, {context_died, Death}} <- lists:usort(Results)],
    52 = length([died || {error, {context_died, _}} <- Results]),
    alive().

garbage_in_every_descriptor_harms_only_the_process(_) ->
    {ok, Ctx} = py_context:new(py_case:with_programs(#{mode => isolated})),
    true = unlink(Ctx),
    case py_context:call(Ctx, crashes, write_into_every_descriptor, []) of
        {ok, none} -> ok;
        {error, {context_died, #{reason := _}}} -> ok
    end,
    case py:call(crashes, write_into_every_descriptor, []) of
        {ok, none} -> ok;
        {error, {context_died, #{reason := _}}} -> ok
    end,
    alive().

closing_every_descriptor_harms_only_the_process(_) ->
    case py:call(crashes, close_every_descriptor, []) of
        {ok, none} -> ok;
        {error, {context_died, #{reason := _}}} -> ok
    end,
    alive().

%% Python gets a MemoryError, goes on, and is stopped by its deadline.
memory_beyond_the_limit_is_refused_to_python(_) ->
    {ok, Ctx} = py_context:new(limited()),
    {error, {'MemoryError', _}} =
        py_context:eval(Ctx, <<"bytearray(1 << 30)">>),
    {error, timeout} =
        py_context:call(Ctx, crashes, eat_memory, [], #{}, 2000),
    ok = py_context:stop(Ctx),
    alive().

%% C code that does not check ends the process, and only that.
memory_beyond_the_limit_in_c_ends_the_process(_) ->
    {ok, Ctx} = py_context:new(limited()),
    true = unlink(Ctx),
    Monitor = monitor(process, Ctx),
    {error, {context_died, #{reason := {signal, 11}}}} =
        py_context:call(Ctx, crashes, out_of_memory_in_c, []),
    {context_died, #{reason := {signal, 11}}} = py_case:down(Monitor),
    alive().

%% The kernel's limit binds Python, the watch over resident memory binds who
%% is privileged to lift it (root); who is not gets Python's error.
memory_beyond_a_lifted_limit_ends_the_process(_) ->
    {ok, Ctx} = py_context:new(limited()),
    true = unlink(Ctx),
    case py_context:call(Ctx, crashes, lift_the_limit_and_grow, []) of
        {error, {context_died, #{reason := memory_limit}}} -> ok;
        {error, {'ValueError', _}} -> py_context:stop(Ctx)
    end,
    alive().

limited() ->
    py_case:with_programs(#{mode => isolated, memory_limit => 200 bsl 20}).

%% The program keeps its own descriptors where nobody counts up to.
closing_what_is_not_the_links_harms_nothing(_) ->
    {ok, Ctx} = py_context:new(#{mode => isolated}),
    ok = py_context:exec(Ctx, <<"import os; os.closerange(3, 900)">>),
    ok = py_context:exec(Ctx, <<
        "import tempfile; f = tempfile.TemporaryFile()"
    >>),
    [{ok, 4.0} = py_context:call(Ctx, math, sqrt, [16])
     || _ <- lists:seq(1, 100)],
    {ok, 0} = py_context:eval(Ctx, <<"f.seek(0, 2)">>),
    ok = py_context:stop(Ctx).

a_module_that_was_replaced_does_not_stop_new_contexts(_) ->
    Replace = <<"import sys; sys.modules['erlang'] = None">>,
    ok = py_context:exec(py:context(1), Replace),
    {ok, Ctx} = py_context:new(#{mode => worker}),
    {ok, 4.0} = py_context:call(Ctx, math, sqrt, [16]),
    {ok, <<"module">>} =
        py_context:eval(Ctx, <<"type(erlang).__name__">>),
    ok = py_context:stop(Ctx).

a_crash_leaves_other_processes_alone(_) ->
    {Listen, Port} = py_case:listen(),
    {ok, Other} = py_context:new(py_case:with_programs(#{mode => isolated})),
    Busy = py:spawn_call(Other, announce, wait_for_test, [Port]),
    Socket = py_case:announced(Listen),
    {error, {context_died, _}} = py:call(crashes, null_pointer, []),
    ok = gen_tcp:send(Socket, <<"x">>),
    {ok, 1} = py:await(Busy),
    ok = py_context:stop(Other),
    alive().

a_linked_owner_gets_the_exit(_) ->
    {_, Monitor} = spawn_monitor(fun() ->
        {ok, Ctx} = py_context:new(#{mode => isolated}),
        _ = py_context:call(Ctx, os, abort, []),
        receive
            never -> ok
        end
    end),
    {context_died, #{reason := {signal, 6}}} = py_case:down(Monitor),
    alive().

an_isolated_context_is_gone_after_its_crash(_) ->
    {ok, Ctx} = py_context:new(#{mode => isolated}),
    true = unlink(Ctx),
    Monitor = monitor(process, Ctx),
    {error, {context_died, #{reason := {exit_status, 9}}}} =
        py_context:call(Ctx, os, '_exit', [9]),
    {context_died, #{reason := {exit_status, 9}}} = py_case:down(Monitor),
    {error, {context_died, noproc}} = py_context:eval(Ctx, <<"1">>).

a_worker_of_ones_own_dies_with_the_shared_process(_) ->
    {ok, Ctx} = py_context:new(#{mode => worker}),
    true = unlink(Ctx),
    Monitor = monitor(process, Ctx),
    {error, {context_died, #{reason := {exit_status, 9}}}} =
        py:call(os, '_exit', [9]),
    {context_died, #{reason := {exit_status, 9}}} = py_case:down(Monitor),
    alive().

the_pool_is_back_with_its_setup(_) ->
    [A, B] = py_context_router:contexts(),
    {error, {context_died, _}} = py:call(A, crashes, null_pointer, []),
    {ok, 1} = py_context:eval(A, <<"mark">>),
    {ok, 1} = py_context:eval(B, <<"mark">>),
    [A, B] = py_context_router:contexts(),
    {ok, [#{restarts := 1}]} = {ok, py:host_info()}.

%% The pool tries again each second until the setup code runs.
a_member_whose_setup_fails_after_a_restart_is_replaced(Config) ->
    Flag = filename:join(
        proplists:get_value(priv_dir, Config),
        "setup_" ++ integer_to_list(erlang:unique_integer([positive]))
    ),
    Code = io_lib:format(
        "import os~nif os.path.exists('~s'): raise ValueError('down')~n",
        [Flag]
    ),
    {ok, [Ctx]} = py_context_router:start_pool(fragile, 1, worker, #{
        preload => iolist_to_binary(Code)
    }),
    Monitor = monitor(process, Ctx),
    ok = file:write_file(Flag, <<>>),
    {error, {context_died, _}} = py:call(crashes, exit_now, [1]),
    {context_died, #{reason := {setup_failed, _}}} = py_case:down(Monitor),
    ok = alive(),
    ok = file:delete(Flag),
    ok = back_after_backoff(fragile, 100).

twenty_crashes_in_a_row_do_not_stop_the_pool(_) ->
    Supervisors = [whereis(pyport_sup), whereis(py_context_sup)],
    [crash_once() || _ <- lists:seq(1, 20)],
    ok = back_after_backoff(default, 100),
    Supervisors = [whereis(pyport_sup), whereis(py_context_sup)].

%% The child holds our socket: it is closed when the child is dead.
children_of_python_die_with_it(_) ->
    {Listen, Port} = py_case:listen(),
    Code =
        "import socket, subprocess, os\n"
        "def f(port):\n"
        "    link = socket.create_connection(('127.0.0.1', port))\n"
        "    subprocess.Popen(['/bin/sleep', '3600'],\n"
        "                     pass_fds=[link.fileno()])\n"
        "    os._exit(1)\n",
    ok = py:exec(Code),
    {error, {context_died, _}} = py:call('__main__', f, [Port]),
    Socket = py_case:announced(Listen),
    {error, closed} = gen_tcp:recv(Socket, 0, 10000),
    alive().

stopping_the_application_stops_python(_) ->
    {Listen, Port} = py_case:listen(),
    Busy = py:spawn_call(announce, spin, [Port]),
    Socket = py_case:announced(Listen),
    {ok, _} = gen_tcp:recv(Socket, 0, 10000),
    ok = application:stop(pyport),
    {error, closed} = gen_tcp:recv(Socket, 0, 10000),
    {error, _} = py:await(Busy),
    {error, _} = py:call(math, sqrt, [16]).

%% It does not see that its lifeline is cut, so it must be killed, by somebody
%% whom the end of the application does not end.
stopping_the_application_ends_a_process_that_is_stopped(_) ->
    {Listen, Port} = py_case:listen(),
    {ok, OsPid} = py:call(os, getpid, []),
    Busy = py:spawn_call(announce, wait_for_test, [Port]),
    Socket = py_case:announced(Listen),
    {ok, _} = gen_tcp:recv(Socket, 0, 10000),
    [] = os:cmd("kill -STOP " ++ integer_to_list(OsPid)),
    ok = application:stop(pyport),
    {error, closed} = gen_tcp:recv(Socket, 0, 10000),
    {error, _} = py:await(Busy).

%% Internal.

alive() ->
    {ok, 4.0} = py:call(math, sqrt, [16]),
    ok.

crash_once() ->
    case py:call(crashes, exit_now, [1]) of
        {error, {context_died, #{reason := {exit_status, 1}}}} -> ok
    end.

%% A restart that keeps failing backs off, and until then calls are refused
%% at once. The end of the back-off sends no event, so it is asked for.
back_after_backoff(_, 0) ->
    error(no_answer);
back_after_backoff(Pool, Left) ->
    case py:call(Pool, math, sqrt, [16]) of
        {error, {context_died, _}} ->
            Timer = erlang:start_timer(100, self(), again),
            receive
                {timeout, Timer, again} -> back_after_backoff(Pool, Left - 1)
            end;
        {ok, 4.0} ->
            ok
    end.
