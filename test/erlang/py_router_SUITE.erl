%% Pools: binding, routing, and the repair of what died.
-module(py_router_SUITE).

-export([all/0, init_per_testcase/2, end_per_testcase/2]).
-compile([export_all, nowarn_export_all]).

all() ->
    [
        the_default_pool_runs_with_the_application,
        a_process_keeps_its_context,
        a_bound_context_is_used,
        a_process_bound_to_a_dead_context_gets_another,
        contexts_are_counted_from_one,
        a_pool_has_the_size_and_mode_asked_for,
        a_pool_that_runs_is_left_as_it_is,
        a_registered_module_goes_to_its_pool,
        a_function_wins_over_its_module,
        a_pool_whose_preload_fails_does_not_start,
        a_killed_member_is_replaced_with_its_setup,
        a_killed_pool_comes_back,
        a_stopped_pool_is_gone,
        a_pool_survives_the_death_of_its_process,
        bad_pools_are_refused
    ].

init_per_testcase(_, Config) ->
    ok = py_case:start([{num_contexts, 2}]),
    Config.

end_per_testcase(_, Config) ->
    py_case:stop(Config).

the_default_pool_runs_with_the_application(_) ->
    true = py_context_router:is_started(),
    2 = py_context_router:num_contexts(),
    [_, _] = py_context_router:contexts(),
    ok = py_context_router:stop(),
    false = py_context_router:is_started(),
    0 = py_context_router:num_contexts(),
    [] = py_context_router:contexts(),
    {ok, [_, _, _]} = py_context_router:start(#{contexts => 3}).

a_process_keeps_its_context(_) ->
    Ctx = py_context_router:get_context(),
    Ctx = py_context_router:get_context(default),
    [Ctx = py:context() || _ <- lists:seq(1, 10)],
    true = lists:member(Ctx, py_context_router:contexts()).

a_bound_context_is_used(_) ->
    {ok, Ctx} = py_context:new(#{mode => isolated}),
    {ok, OsPid} = py_context:call(Ctx, os, getpid, []),
    ok = py_context_router:bind_context(Ctx),
    Ctx = py_context_router:get_context(),
    {ok, OsPid} = py:call(os, getpid, []),
    ok = py_context_router:unbind_context(),
    {ok, Shared} = py:call(os, getpid, []),
    true = Shared =/= OsPid,
    ok = py_context_router:bind_context(default, Ctx),
    {ok, OsPid} = py:call(os, getpid, []),
    ok = py_context_router:unbind_context(default),
    ok = py_context:stop(Ctx).

a_process_bound_to_a_dead_context_gets_another(_) ->
    {ok, Ctx} = py_context:new(#{mode => worker}),
    ok = py_context_router:bind_context(Ctx),
    ok = py_context:stop(Ctx),
    {ok, 4.0} = py:call(math, sqrt, [16]),
    true = lists:member(py:context(), py_context_router:contexts()).

contexts_are_counted_from_one(_) ->
    [First, Second] = py_context_router:contexts(),
    First = py:context(1),
    Second = py_context_router:get_context(2),
    [
        {N, badarg} = {N, raised(fun py_context_router:get_context/1, N)}
     || N <- [0, 3, no_such_pool]
    ].

raised(Function, Argument) ->
    try
        Function(Argument)
    catch
        error:Reason -> Reason
    end.

a_pool_has_the_size_and_mode_asked_for(_) ->
    {ok, [A, B]} = py_context_router:start_pool(two, 2, isolated),
    {ok, PidA} = py_context:call(A, os, getpid, []),
    {ok, PidB} = py_context:call(B, os, getpid, []),
    true = PidA =/= PidB,
    2 = py_context_router:num_contexts(two),
    [A, B] = py_context_router:contexts(two),
    {ok, _} = py:call(two, math, sqrt, [16]),
    ok = py_context_router:stop_pool(two).

a_pool_that_runs_is_left_as_it_is(_) ->
    {ok, Contexts} = py_context_router:start_pool(p, 2),
    {ok, Contexts} = py_context_router:start_pool(p, 3, worker),
    true = py_context_router:pool_started(p).

a_registered_module_goes_to_its_pool(_) ->
    {ok, [Ctx]} = py_context_router:start_pool(own, 1, isolated),
    {ok, OsPid} = py_context:call(Ctx, os, getpid, []),
    ok = py_context_router:init_pool_registry(),
    ok = py_context_router:register_pool(own, os),
    own = py_context_router:lookup_pool(os, getpid),
    own = py_context_router:lookup_pool(<<"os">>, "getpid"),
    default = py_context_router:lookup_pool(<<"no atom of ours">>, f),
    {ok, OsPid} = py:call(os, getpid, []),
    {ok, OsPid} = py:call(<<"os">>, <<"getpid">>, []),
    [{os, own}] = py_context_router:list_pool_registrations(),
    ok = py_context_router:unregister_pool(os),
    default = py_context_router:lookup_pool(os, getpid),
    [] = py_context_router:list_pool_registrations().

a_function_wins_over_its_module(_) ->
    ok = py:register_pool(a, math),
    ok = py:register_pool(b, {math, sqrt}),
    b = py_context_router:lookup_pool(math, sqrt),
    a = py_context_router:lookup_pool(math, floor),
    ok = py:unregister_pool({math, sqrt}),
    a = py_context_router:lookup_pool(math, sqrt),
    {error, {unknown_pool, a}} = py:call(math, sqrt, [16]),
    ok = py_context_router:register_pool(c, math, sqrt),
    c = py_context_router:lookup_pool(math, sqrt),
    ok = py_context_router:unregister_pool(math, sqrt).

a_pool_whose_preload_fails_does_not_start(_) ->
    {error, {'ZeroDivisionError', _}} =
        py_context_router:start_pool(bad, 2, worker, #{preload => <<"1/0">>}),
    false = py_context_router:pool_started(bad),
    {ok, [_]} = py_context_router:start_pool(bad, 1).

a_killed_member_is_replaced_with_its_setup(_) ->
    Options = #{preload => <<"mark = 1">>},
    {ok, [Ctx]} = py_context_router:start_pool(p, 1, worker, Options),
    ok = py_case:kill(Ctx),
    New = replaced(p, [Ctx]),
    {ok, 1} = py_context:eval(New, <<"mark">>),
    {ok, 4.0} = py:call(p, math, sqrt, [16]).

a_killed_pool_comes_back(_) ->
    Pools = [Pid || {{pool, default}, Pid, _, _} <-
        supervisor:which_children(py_context_sup)],
    [Pool] = Pools,
    Members = py_context_router:contexts(),
    ok = py_case:kill(Pool),
    [_ = py_case:gone(Member) || Member <- Members],
    New = replaced(default, Members),
    {ok, 4.0} = py:call(New, math, sqrt, [16]),
    {ok, 4.0} = py:call(math, sqrt, [16]).

a_stopped_pool_is_gone(_) ->
    {ok, [Ctx]} = py_context_router:start_pool(p, 1, isolated),
    ok = py_context_router:stop_pool(p),
    ok = py_context_router:stop_pool(p),
    false = py_context_router:pool_started(p),
    {error, {context_died, noproc}} = py_context:eval(Ctx, <<"1">>).

a_pool_survives_the_death_of_its_process(_) ->
    Options = #{preload => <<"mark = 1">>},
    {ok, [Ctx]} = py_context_router:start_pool(p, 1, isolated, Options),
    {error, {context_died, #{reason := {exit_status, 3}}}} =
        py_context:call(Ctx, os, '_exit', [3]),
    {ok, 1} = py_context:eval(Ctx, <<"mark">>),
    [Ctx] = py_context_router:contexts(p).

bad_pools_are_refused(_) ->
    Start = fun py_context_router:start_pool/3,
    {error, {invalid_argument, pool, _}} = Start("p", 1, worker),
    {error, {invalid_argument, size, _}} = Start(p, 0, worker),
    {error, {invalid_argument, size, _}} = Start(p, many, worker),
    {error, {invalid_mode, thread, [worker, isolated, owngil]}} =
        Start(p, 1, thread),
    {error, {invalid_option, colour, [_ | _]}} =
        py_context_router:start_pool(p, 1, worker, #{colour => red}),
    {error, {invalid_argument, pool, _}} =
        py_context_router:register_pool("p", math),
    {error, {invalid_argument, module, _}} =
        py_context_router:register_pool(p, <<"math">>),
    false = py_context_router:pool_started(p).

%% Internal.

%% Waits until a pool has a member that is none of the old ones. The pool
%% answers its own process in order, so this is a conversation, not a wait.
replaced(Pool, Old) ->
    case py_context_router:start_pool(Pool, 1) of
        {ok, Members} ->
            case Members -- Old of
                [New | _] -> New;
                [] -> replaced(Pool, Old)
            end;
        {error, {pool_died, _}} ->
            replaced(Pool, Old)
    end.
