%% Deadlines, interrupts and the death of callers touch only what they should.
-module(timeout_SUITE).

-export([all/0, groups/0, init_per_group/2, end_per_group/2]).
-export([init_per_testcase/2, end_per_testcase/2]).
-compile([export_all, nowarn_export_all]).

all() ->
    [
        {group, worker},
        {group, isolated},
        a_sleep_is_really_interrupted,
        a_lock_is_really_interrupted,
        a_socket_read_is_really_interrupted,
        a_loop_in_c_is_killed_after_kill_after,
        code_that_swallows_interrupts_is_killed,
        an_interrupt_that_is_ignored_ends_in_a_kill,
        an_isolated_context_survives_its_timeouts,
        a_wrong_timeout_is_refused,
        the_default_deadline_is_the_pools_alone
    ].

groups() ->
    Both = [
        a_deadline_ends_running_python,
        a_deadline_covers_the_wait_in_the_queue,
        a_deadline_touches_only_its_own_request,
        no_time_at_all_is_a_timeout,
        exec_has_a_deadline_too,
        the_running_request_of_a_dead_caller_is_interrupted,
        the_queued_request_of_a_dead_caller_never_runs,
        an_interrupt_cannot_be_caught_as_an_exception,
        a_late_answer_is_not_in_the_mailbox
    ],
    [{worker, [], Both}, {isolated, [], Both}].

init_per_group(Mode, Config) ->
    [{mode, Mode} | Config].

end_per_group(_, _) ->
    ok.

init_per_testcase(_, Config) ->
    ok = py_case:start([{num_contexts, 1}]),
    Config.

end_per_testcase(_, Config) ->
    py_case:stop(Config).

a_deadline_ends_running_python(Config) ->
    {Listen, Port} = py_case:listen(),
    Ctx = new(Config),
    {error, timeout} =
        py_context:call(Ctx, announce, spin, [Port], #{}, 300),
    _ = py_case:announced(Listen),
    {ok, 1} = py_context:eval(Ctx, <<"1">>).

a_deadline_covers_the_wait_in_the_queue(Config) ->
    {Listen, Port} = py_case:listen(),
    Ctx = new(Config),
    Busy = py:spawn_call(Ctx, announce, wait_for_test, [Port]),
    Socket = py_case:announced(Listen),
    {error, timeout} = py_context:call(Ctx, math, sqrt, [4], #{}, 50),
    {error, timeout} = py:eval(Ctx, <<"1">>, #{}, 50),
    {error, timeout} = py:exec(Ctx, <<"1">>, 50),
    ok = gen_tcp:send(Socket, <<"x">>),
    {ok, 1} = py:await(Busy).

a_deadline_touches_only_its_own_request(Config) ->
    {Listen, Port} = py_case:listen(),
    Ctx = new(Config),
    Busy = py:spawn_call(Ctx, announce, wait_for_test, [Port]),
    Socket = py_case:announced(Listen),
    Patient = [py:spawn_call(Ctx, math, sqrt, [4]) || _ <- lists:seq(1, 5)],
    {error, timeout} = py_context:call(Ctx, math, sqrt, [4], #{}, 20),
    ok = gen_tcp:send(Socket, <<"x">>),
    {ok, 1} = py:await(Busy),
    [{ok, 2.0} = py:await(Ref) || Ref <- Patient].

no_time_at_all_is_a_timeout(Config) ->
    {Listen, Port} = py_case:listen(),
    Ctx = new(Config),
    {error, timeout} =
        py_context:call(Ctx, announce, spin, [Port], #{}, 0),
    {ok, 1} = py_context:eval(Ctx, <<"1">>),
    ok = gen_tcp:close(Listen).

exec_has_a_deadline_too(Config) ->
    Ctx = new(Config),
    %% Allocates for the reason given in announce.py.
    {error, timeout} = py:exec(Ctx, <<"while True: bytes(1000)">>, 100),
    ok = py:exec(Ctx, <<"x = 1">>, 5000).

the_running_request_of_a_dead_caller_is_interrupted(Config) ->
    {Listen, Port} = py_case:listen(),
    Ctx = new(Config),
    {Caller, Monitor} = spawn_monitor(fun() ->
        py_context:call(Ctx, announce, spin, [Port])
    end),
    _ = py_case:announced(Listen),
    true = exit(Caller, kill),
    killed = py_case:down(Monitor),
    {ok, 1} = py_context:eval(Ctx, <<"1">>, #{}, 10000).

the_queued_request_of_a_dead_caller_never_runs(Config) ->
    {Listen, Port} = py_case:listen(),
    Ctx = new(Config),
    Busy = py:spawn_call(Ctx, announce, wait_for_test, [Port]),
    Socket = py_case:announced(Listen),
    {Caller, Monitor} = spawn_monitor(fun() ->
        py_context:exec(Ctx, <<"ran = True">>)
    end),
    ok = blocked(Caller),
    true = exit(Caller, kill),
    killed = py_case:down(Monitor),
    %% The request and its cancel are both before this one on the link.
    {error, timeout} = py_context:eval(Ctx, <<"1">>, #{}, 100),
    ok = gen_tcp:send(Socket, <<"x">>),
    {ok, 1} = py:await(Busy),
    {ok, false} = py_context:eval(Ctx, <<"'ran' in globals()">>).

an_interrupt_cannot_be_caught_as_an_exception(Config) ->
    {Listen, Port} = py_case:listen(),
    Ctx = new(Config),
    ok = py_context:exec(Ctx, <<
        "import announce\n"
        "def stubborn(port):\n"
        "    try:\n"
        "        announce.spin(port)\n"
        "    except Exception:\n"
        "        return 'swallowed'\n"
    >>),
    Busy = py:spawn_call(Ctx, '__main__', stubborn, [Port]),
    _ = py_case:announced(Listen),
    ok = py:interrupt(Ctx),
    {error, interrupted} = py:await(Busy),
    not_running = py:interrupt(Ctx).

a_late_answer_is_not_in_the_mailbox(Config) ->
    Ctx = new(Config),
    [
        py_context:call(Ctx, time, sleep, [0.002], #{}, 2)
     || _ <- lists:seq(1, 50)
    ],
    {ok, 1} = py_context:eval(Ctx, <<"1">>),
    {messages, []} = process_info(self(), messages).

a_sleep_is_really_interrupted(_) ->
    really_interrupted(sleep).

a_lock_is_really_interrupted(_) ->
    really_interrupted(lock).

a_socket_read_is_really_interrupted(_) ->
    really_interrupted(recv).

%% The same process answers the next call: it was not killed.
really_interrupted(Function) ->
    {Listen, Port} = py_case:listen(),
    Ctx = new(isolated, #{kill_after => infinity}),
    {ok, OsPid} = py_context:call(Ctx, os, getpid, []),
    Timed = py:spawn_call(Ctx, waits, Function, [Port]),
    _ = py_case:announced(Listen),
    ok = py:interrupt(Ctx),
    {error, interrupted} = py:await(Timed),
    {error, timeout} =
        py_context:call(Ctx, waits, Function, [Port], #{}, 200),
    _ = py_case:announced(Listen),
    {ok, OsPid} = py_context:call(Ctx, os, getpid, []).

a_loop_in_c_is_killed_after_kill_after(_) ->
    killed_after_its_deadline(loop_in_c).

code_that_swallows_interrupts_is_killed(_) ->
    killed_after_its_deadline(swallow).

killed_after_its_deadline(Function) ->
    Deadline = 2000,
    {Ctx, Monitor, Running} = in_the_loop(Function, Deadline),
    Queued = py:spawn_call(Ctx, math, sqrt, [16]),
    {error, timeout} = py:await(Running),
    killed(Monitor, [Queued]).

%% The caller has no deadline: it is asked for from outside.
an_interrupt_that_is_ignored_ends_in_a_kill(_) ->
    {Ctx, Monitor, Running} = in_the_loop(loop_in_c, infinity),
    Queued = py:spawn_call(Ctx, math, sqrt, [16]),
    ok = py_context:interrupt(Ctx),
    killed(Monitor, [Running, Queued]).

in_the_loop(Function, Timeout) ->
    {Listen, Port} = py_case:listen(),
    Ctx = new(isolated, #{kill_after => 200}),
    true = unlink(Ctx),
    Monitor = monitor(process, Ctx),
    Running = pyport_task:start(fun() ->
        py_context:call(Ctx, waits, Function, [Port], #{}, Timeout)
    end),
    Socket = py_case:announced(Listen),
    ok = received(Socket, <<"in the loop">>, <<>>),
    {Ctx, Monitor, Running}.

killed(Monitor, Refs) ->
    Died = {context_died, #{reason => killed_after_timeout}},
    [Died = reason(py:await(Ref, 10000)) || Ref <- Refs],
    Died = reason({error, py_case:down(Monitor)}),
    {ok, 4.0} = py:call(math, sqrt, [16]).

received(Socket, Text, Received) ->
    case binary:match(Received, Text) of
        nomatch ->
            {ok, More} = gen_tcp:recv(Socket, 0, 10000),
            received(Socket, Text, <<Received/binary, More/binary>>);
        _ ->
            ok
    end.

reason({error, {context_died, Death}}) ->
    {context_died, maps:with([reason], Death)};
reason(Other) ->
    Other.

an_isolated_context_survives_its_timeouts(_) ->
    Ctx = new(isolated, #{}),
    {ok, OsPid} = py_context:call(Ctx, os, getpid, []),
    [
        {error, timeout} = py_context:call(Ctx, time, sleep, [9], #{}, 5)
     || _ <- lists:seq(1, 20)
    ],
    {ok, OsPid} = py_context:call(Ctx, os, getpid, []).

a_wrong_timeout_is_refused(_) ->
    [
        {error, {invalid_argument, timeout, _}} =
            py:call(math, sqrt, [16], #{}, Wrong)
     || Wrong <- [-1, 1.5, soon, 16#100000000, "5"]
    ],
    {error, {invalid_argument, timeout, _}} = py:eval(<<"1">>, #{}, soon),
    {error, {invalid_argument, timeout, _}} =
        py:await(py:spawn_call(math, sqrt, [16]), soon),
    {error, {invalid_option, timeout, _}} =
        py:call(py:context(), math, sqrt, [16], #{timeout => soon}).

the_default_deadline_is_the_pools_alone(_) ->
    {ok, 4.0} = py:call(math, sqrt, [16], #{}, infinity),
    {ok, 4.0} = py_context:call(py:context(), math, sqrt, [16], #{}, infinity).

%% Internal.

new(Config) ->
    new(proplists:get_value(mode, Config), #{}).

new(Mode, Options) ->
    {ok, Ctx} = py_context:new(
        py_case:with_programs(Options#{mode => Mode})
    ),
    Ctx.

%% The caller has sent its request when it waits for the answer.
blocked(Pid) ->
    case process_info(Pid, [status, current_function]) of
        [{status, waiting}, {current_function, {pyport_link, await, _}}] ->
            ok;
        _ ->
            true = erlang:yield(),
            blocked(Pid)
    end.
