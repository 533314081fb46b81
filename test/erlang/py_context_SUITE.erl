%% Contexts: their life, their owners, their namespaces, other nodes.
-module(py_context_SUITE).

-export([all/0, groups/0]).
-export([init_per_group/2, end_per_group/2]).
-export([init_per_suite/1, end_per_suite/1, end_per_testcase/2]).
-compile([export_all, nowarn_export_all]).

all() ->
    [
        {group, worker},
        {group, isolated},
        modes_are_separate_processes_or_not,
        two_isolated_contexts_share_nothing,
        a_limit_needs_a_process_of_its_own,
        environment_variables_reach_an_isolated_context,
        a_call_to_another_node_works_like_a_local_one,
        a_lost_node_is_a_dead_context
    ].

groups() ->
    Both = [
        a_context_calls_evaluates_and_executes,
        an_environment_is_a_copy,
        an_environment_fits_its_context_only,
        preload_runs_first,
        a_preload_that_fails_fails_the_creation,
        preload_of_the_node_comes_before_that_of_the_context,
        python_path_makes_modules_importable,
        a_context_ends_with_its_creator,
        a_context_ends_with_a_creator_that_ends_normally,
        a_failed_creation_leaves_the_creator_alone,
        a_stopped_context_is_dead_to_its_callers,
        stopping_a_busy_context_answers_its_callers,
        a_killed_context_closes_its_python,
        a_busy_context_is_interrupted,
        facts_about_a_context
    ],
    [{worker, [], Both}, {isolated, [], Both}].

init_per_suite(Config) ->
    ok = py_case:start([{num_contexts, 1}]),
    Config.

end_per_suite(Config) ->
    py_case:stop(Config).

init_per_group(Mode, Config) ->
    [{mode, Mode} | Config].

end_per_group(_, _) ->
    ok.

end_per_testcase(_, _) ->
    py_preload:clear_code().

a_context_calls_evaluates_and_executes(Config) ->
    Ctx = new(Config, #{}),
    {ok, 4.0} = py_context:call(Ctx, math, sqrt, [16]),
    {ok, 255} = py_context:call(Ctx, builtins, int, [<<"255">>], #{}, 5000),
    {ok, 3} = py_context:eval(Ctx, <<"1 + 2">>),
    {ok, 3} = py_context:eval(Ctx, <<"1 + x">>, #{x => 2}),
    ok = py_context:exec(Ctx, <<"def f(x): return x + base\nbase = 1">>),
    {ok, 3} = py_context:call(Ctx, '__main__', f, [2]),
    ok = py_context:stop(Ctx).

an_environment_is_a_copy(Config) ->
    Ctx = new(Config, #{}),
    ok = py_context:exec(Ctx, <<"x = 1">>),
    {ok, Env} = py_context:create_local_env(Ctx),
    ok = py_context:exec(Ctx, <<"y = x + 1">>, Env),
    {ok, 2} = py_context:eval(Ctx, <<"y">>, #{}, 5000, Env),
    {error, {'NameError', _}} = py_context:eval(Ctx, <<"y">>),
    ok = py_context:exec(Ctx, <<"def g(): return y">>, Env),
    {ok, 2} = py_context:call(Ctx, '__main__', g, [], #{}, 5000, Env),
    ok = py_context:stop(Ctx).

an_environment_fits_its_context_only(Config) ->
    Ctx = new(Config, #{}),
    {ok, Env} = py_context:create_local_env(py:context(1)),
    {error, env_wrong_interpreter} = py_context:exec(Ctx, <<"1">>, Env),
    {error, invalid_env} = py_context:exec(Ctx, <<"1">>, no_env),
    ok = py_context:stop(Ctx).

preload_runs_first(Config) ->
    Ctx = new(Config, #{preload => <<"import json\nlimit = 10">>}),
    {ok, <<"10">>} = py_context:eval(Ctx, <<"json.dumps(limit)">>),
    {ok, 10} = py:eval(Ctx, <<"limit">>),
    ok = py_context:stop(Ctx).

a_preload_that_fails_fails_the_creation(Config) ->
    {error, {'ZeroDivisionError', "division by zero"}} =
        try_new(Config, #{preload => <<"1/0">>}),
    ok = py_preload:set_code(<<"nope">>),
    {error, {'NameError', _}} = try_new(Config, #{}),
    ok = py_preload:clear_code(),
    ok = py_context:stop(new(Config, #{})).

preload_of_the_node_comes_before_that_of_the_context(Config) ->
    false = py_preload:has_preload(),
    ok = py_preload:set_code([<<"a = ">>, "1"]),
    <<"a = 1">> = py_preload:get_code(),
    Ctx = new(Config, #{preload => <<"b = a + 1">>}),
    {ok, {1, 2}} = py_context:eval(Ctx, <<"(a, b)">>),
    ok = py_context:stop(Ctx).

python_path_makes_modules_importable(Config) ->
    Ctx = new(Config, py_case:with_programs(#{})),
    ok = py_context:exec(Ctx, <<"import announce">>),
    ok = py_context:stop(Ctx).

a_context_ends_with_its_creator(Config) ->
    ends_with(Config, crash).

a_context_ends_with_a_creator_that_ends_normally(Config) ->
    ends_with(Config, normal).

ends_with(Config, Reason) ->
    Self = self(),
    {Pid, Monitor} = spawn_monitor(fun() ->
        Self ! {self(), new(Config, #{})},
        receive
            go -> exit(Reason)
        end
    end),
    Ctx = receive {Pid, New} -> New end,
    {ok, 1} = py_context:eval(Ctx, <<"1">>),
    Pid ! go,
    Reason = py_case:down(Monitor),
    normal = down_reason(py_case:gone(Ctx)),
    {error, {context_died, noproc}} = py_context:eval(Ctx, <<"1">>).

a_failed_creation_leaves_the_creator_alone(Config) ->
    {_, Monitor} = spawn_monitor(fun() ->
        {error, _} = try_new(Config, #{preload => <<"1/0">>}),
        {links, []} = process_info(self(), links),
        {messages, []} = process_info(self(), messages)
    end),
    normal = py_case:down(Monitor).

a_stopped_context_is_dead_to_its_callers(Config) ->
    Ctx = new(Config, #{}),
    ok = py_context:stop(Ctx),
    ok = py_context:stop(Ctx),
    ok = py_context:destroy(Ctx),
    Died = {error, {context_died, noproc}},
    Died = py_context:call(Ctx, math, sqrt, [16]),
    Died = py_context:eval(Ctx, <<"1">>),
    Died = py_context:exec(Ctx, <<"1">>),
    Died = py:call(Ctx, math, sqrt, [16]),
    Died = py:interrupt(Ctx),
    Died = py:host_info(Ctx),
    Died = py_context:get_interp_id(Ctx),
    Died = py_context:create_local_env(Ctx).

stopping_a_busy_context_answers_its_callers(Config) ->
    {Listen, Port} = py_case:listen(),
    Ctx = new(Config, py_case:with_programs(#{})),
    Busy = py:spawn_call(Ctx, announce, wait_for_test, [Port]),
    Socket = py_case:announced(Listen),
    Queued = py:spawn_call(Ctx, math, sqrt, [16]),
    ok = py_context:stop(Ctx),
    {error, context_destroyed} = py:await(Busy, 10000),
    {error, context_destroyed} = py:await(Queued, 10000),
    ok = gen_tcp:close(Socket),
    {ok, 4.0} = py:call(math, sqrt, [16]).

%% The socket that Python holds is closed when its thread or process is gone.
a_killed_context_closes_its_python(Config) ->
    {Listen, Port} = py_case:listen(),
    Ctx = new(Config, py_case:with_programs(#{})),
    Busy = py:spawn_call(Ctx, announce, spin, [Port]),
    Socket = py_case:announced(Listen),
    true = unlink(Ctx),
    ok = py_case:kill(Ctx),
    {error, _} = py:await(Busy, 10000),
    ok = until_closed(Socket),
    {error, {context_died, noproc}} = py_context:eval(Ctx, <<"1">>).

a_busy_context_is_interrupted(Config) ->
    {Listen, Port} = py_case:listen(),
    Ctx = new(Config, py_case:with_programs(#{})),
    not_running = py_context:interrupt(Ctx),
    Busy = py:spawn_call(Ctx, announce, spin, [Port]),
    _ = py_case:announced(Listen),
    ok = py_context:interrupt(Ctx),
    {error, interrupted} = py:await(Busy, 10000),
    {ok, 1} = py_context:eval(Ctx, <<"1">>),
    ok = py_context:stop(Ctx).

facts_about_a_context(Config) ->
    Ctx = new(Config, #{}),
    Other = new(Config, #{}),
    {ok, Id} = py_context:get_interp_id(Ctx),
    {ok, OtherId} = py_context:get_interp_id(Other),
    true = is_integer(Id) andalso Id =/= OtherId,
    Isolated = proplists:get_value(mode, Config) =:= isolated,
    Isolated = py_context:is_subinterp(Ctx),
    {error, invalid_ref} = py_context:to_term(Id),
    {error, invalid_ref} = py_context:call_method(Ctx, Id, f, []),
    ok = py_context:stop(Ctx),
    ok = py_context:stop(Other).

modes_are_separate_processes_or_not(_) ->
    {ok, Worker} = py_context:start_link(1, worker),
    {ok, Isolated} = py_context:start_link(2, isolated),
    {ok, OwnGil} = py_context:start_link(3, owngil, #{}),
    {ok, Shared} = py:call(os, getpid, []),
    {ok, Shared} = py_context:call(Worker, os, getpid, []),
    {ok, Pid1} = py_context:call(Isolated, os, getpid, []),
    {ok, Pid2} = py_context:call(OwnGil, os, getpid, []),
    3 = length(lists:usort([Shared, Pid1, Pid2])),
    {ok, true} = py_context:eval(Isolated, <<
        "__import__('threading').current_thread() is "
        "__import__('threading').main_thread()"
    >>),
    [ok = py_context:stop(Ctx) || Ctx <- [Worker, Isolated, OwnGil]].

two_isolated_contexts_share_nothing(_) ->
    {ok, A} = py_context:new(#{mode => isolated}),
    {ok, B} = py_context:new(#{mode => isolated}),
    ok = py_context:exec(A, <<"import sys\nsys.mark = 1">>),
    {ok, false} =
        py_context:eval(B, <<"hasattr(__import__('sys'), 'mark')">>),
    [ok = py_context:stop(Ctx) || Ctx <- [A, B]].

a_limit_needs_a_process_of_its_own(_) ->
    {error, memory_limit_requires_isolated} =
        py_context:new(#{mode => worker, memory_limit => 1 bsl 28}),
    {error, cpu_limit_requires_isolated} =
        py_context:new(#{cpu_limit => 10}),
    {error, env_requires_isolated} = py_context:new(#{env => #{a => "b"}}),
    {error, stdout_requires_isolated} = py_context:new(#{stdout => null}).

environment_variables_reach_an_isolated_context(_) ->
    {ok, Ctx} = py_context:new(#{
        mode => isolated, env => #{'PYPORT_TEST' => "a value"}
    }),
    {ok, <<"a value">>} =
        py_context:eval(Ctx, <<"__import__('os').environ['PYPORT_TEST']">>),
    ok = py_context:stop(Ctx).

a_call_to_another_node_works_like_a_local_one(_) ->
    {Peer, Node, Ctx} = peer(),
    {ok, 4.0} = py:call(Ctx, math, sqrt, [16]),
    not_running = py:interrupt(Ctx),
    ok = py:exec(Ctx, <<"x = 20">>),
    {ok, 22} = py:eval(Ctx, <<"x + y">>, #{y => 2}),
    {error, {'ZeroDivisionError', _}} = py_context:eval(Ctx, <<"1/0">>),
    {error, timeout} =
        py_context:call(Ctx, time, sleep, [0.2], #{}, 10),
    {ok, #{os_pid := _}} = py:host_info(Ctx),
    ok = py_context_router:bind_context(Ctx),
    Ctx = py:context(),
    ok = py_context_router:unbind_context(),
    Other = erpc:call(Node, erlang, whereis, [kernel_sup]),
    {error, {invalid_argument, context, _}} = py_context:stop(Other),
    {error, {context_died, noproc}} = py_context:get_interp_id(Other),
    ok = erpc:call(Node, py, stop_contexts, []),
    {error, {context_died, noproc}} = py:call(Ctx, math, sqrt, [16]),
    ok = py_context:stop(Ctx),
    ok = peer:stop(Peer).

a_lost_node_is_a_dead_context(_) ->
    {Peer, _Node, Ctx} = peer(),
    {Listen, Port} = py_case:listen(),
    Busy = py:spawn_call(Ctx, announce, wait_for_test, [Port]),
    _ = py_case:announced(Listen),
    ok = peer:stop(Peer),
    {error, {context_died, noconnection}} = py:await(Busy, 10000),
    {error, {context_died, noconnection}} = py:call(Ctx, math, sqrt, [16]),
    ok = py_context:stop(Ctx).

%% Internal.

new(Config, Options) ->
    {ok, Ctx} = try_new(Config, Options),
    Ctx.

try_new(Config, Options) ->
    py_context:new(Options#{mode => proplists:get_value(mode, Config)}).

%% The process may be gone before the monitor is there.
down_reason(noproc) -> normal;
down_reason(Reason) -> Reason.

until_closed(Socket) ->
    case gen_tcp:recv(Socket, 0, 10000) of
        {ok, _} -> until_closed(Socket);
        {error, Reason} when Reason =/= timeout -> ok
    end.

%% A node with the application and one context that finds our programs.
peer() ->
    {Peer, Node} = other_node(),
    ok = erpc:call(Node, py_case, start, [[{num_contexts, 1}]]),
    ok = erpc:call(Node, py, stop_contexts, []),
    {ok, [Ctx]} = erpc:call(Node, py, start_contexts, [
        py_case:with_programs(#{contexts => 1})
    ]),
    {Peer, Node, Ctx}.

%% A node that finds our code.
other_node() ->
    ok = distributed(is_alive()),
    [_, Host] = string:lexemes(atom_to_list(node()), "@"),
    {ok, Peer, Node} = peer:start(#{
        name => peer:random_name(),
        host => Host,
        longnames => net_kernel:longnames(),
        connection => standard_io,
        args => ["-setcookie", atom_to_list(erlang:get_cookie()), "-pa" |
            code:get_path()]
    }),
    true = net_kernel:connect_node(Node),
    {Peer, Node}.

%% A test node that is distributed already keeps its kind of names.
distributed(true) ->
    ok;
distributed(false) ->
    _ = os:cmd("epmd -daemon"),
    %% Of its own name, so that two checkouts can be tested at a time.
    Node = "pyport_test_" ++ os:getpid() ++ "@127.0.0.1",
    {ok, _} = net_kernel:start([list_to_atom(Node), longnames]),
    ok.
