%% A read of a buffer that waits can be interrupted, once, and holds up nothing.
-module(buffer_block_SUITE).

-export([all/0, groups/0, init_per_group/2, end_per_group/2]).
-export([init_per_testcase/2, end_per_testcase/2]).
-compile([export_all, nowarn_export_all]).

-define(READS, reads_buffer).

all() ->
    [
        {group, worker},
        {group, isolated},
        a_signal_handler_of_python_runs_while_a_read_waits,
        a_forked_child_cannot_read_and_its_parent_can
    ].

groups() ->
    Both = [
        every_blocking_read_ends_at_its_deadline,
        the_interrupt_of_a_read_comes_once,
        an_interrupt_that_was_caught_before_does_not_end_a_read,
        a_blocked_read_ends_with_its_caller,
        a_blocked_read_holds_up_no_other_context
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

every_blocking_read_ends_at_its_deadline(Config) ->
    {Listen, Port} = py_case:listen(),
    Ctx = new(Config),
    [
        begin
            {error, timeout} =
                py_context:call(Ctx, ?READS, run, [Code, Port], #{}, 300),
            ok = gen_tcp:close(py_case:announced(Listen))
        end
     || Code <- [
            <<"empty.read()">>,
            <<"empty.read(1)">>,
            <<"empty.read1()">>,
            <<"empty.readline()">>,
            <<"empty.readlines()">>,
            <<"empty.readinto(bytearray(1))">>,
            <<"empty.peek()">>,
            <<"next(empty)">>
        ]
    ],
    {ok, 1} = py_context:eval(Ctx, <<"1">>).

the_interrupt_of_a_read_comes_once(Config) ->
    {Listen, Port} = py_case:listen(),
    Ctx = new(Config),
    {error, timeout} =
        py_context:call(Ctx, ?READS, read_twice, [Port], #{}, 300),
    _ = py_case:announced(Listen),
    [<<"interrupted">>, <<"went on">>] = seen(Ctx).

an_interrupt_that_was_caught_before_does_not_end_a_read(Config) ->
    {Listen, Port} = py_case:listen(),
    {SecondListen, SecondPort} = py_case:listen(),
    Ctx = new(Config),
    {error, timeout} =
        py_context:call(
            Ctx, ?READS, catch_and_read, [Port, SecondPort], #{}, 300
        ),
    _ = py_case:announced(Listen),
    ok = gen_tcp:send(py_case:announced(SecondListen), <<"x">>),
    [<<"interrupted">>, <<"b''">>] = seen(Ctx).

a_blocked_read_ends_with_its_caller(Config) ->
    {Listen, Port} = py_case:listen(),
    Ctx = new(Config),
    {Caller, Monitor} = spawn_monitor(fun() ->
        py_context:call(Ctx, ?READS, run, [<<"empty.read()">>, Port])
    end),
    _ = py_case:announced(Listen),
    true = exit(Caller, kill),
    killed = py_case:down(Monitor),
    {ok, 1} = py_context:eval(Ctx, <<"1">>, #{}, 10000).

a_blocked_read_holds_up_no_other_context(Config) ->
    {Listen, Port} = py_case:listen(),
    Ctx = new(Config),
    Other = new(Config),
    Call = [<<"empty.read()">>, Port],
    {_, Monitor} = spawn_monitor(fun() ->
        exit(py_context:call(Ctx, ?READS, run, Call, #{}, 2000))
    end),
    _ = py_case:announced(Listen),
    [
        {ok, 2.0} = py_context:call(Other, math, sqrt, [4], #{}, 1000)
     || _ <- lists:seq(1, 100)
    ],
    {error, timeout} = py_case:down(Monitor).

a_signal_handler_of_python_runs_while_a_read_waits(_) ->
    {Listen, Port} = py_case:listen(),
    Ctx = new([{mode, isolated}]),
    Waiting = py:spawn_call(Ctx, ?READS, read_with_handler, [Port]),
    Socket = py_case:announced(Listen),
    {ok, Line} = gen_tcp:recv(Socket, 0, 10000),
    Pid = string:trim(Line),
    [] = os:cmd("kill -USR1 " ++ binary_to_list(Pid)),
    {ok, <<"handled">>} = py:await(Waiting).

a_forked_child_cannot_read_and_its_parent_can(_) ->
    Ctx = new([{mode, isolated}]),
    Content = binary:copy(<<"0123456789">>, 100_000),
    {ok, Buffer} = py_buffer:new(#{context => Ctx}),
    ok = py_buffer:write(Buffer, Content),
    ok = py_buffer:close(Buffer),
    {ok, 7} = py_context:call(Ctx, ?READS, read_in_forked, [Buffer]),
    <<_, Rest/binary>> = Content,
    {ok, Rest} = py_context:eval(Ctx, <<"b.read()">>, #{b => Buffer}).

seen(Ctx) ->
    {ok, Seen} = py_context:eval(
        Ctx, <<"__import__('reads_buffer').seen">>, #{}, 10000
    ),
    Seen.

new(Config) ->
    {ok, Ctx} = py_context:new(
        py_case:with_programs(#{mode => proplists:get_value(mode, Config)})
    ),
    Ctx.
