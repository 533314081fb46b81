%% What the suites of py_buffer share.
-module(py_buffer_case).

-export([start/2, ctx/1, call/3, async/1, await/1]).

-define(WAIT_MS, 20000).

start(Settings, Config) ->
    ok = py_case:start([{num_contexts, 2}, {stderr, null}, {stdout, null}
                        | Settings]),
    {ok, Ctx} = py_context:new(py_case:with_programs(#{mode => worker})),
    [{ctx, Ctx} | Config].

ctx(Config) -> proplists:get_value(ctx, Config).

call(Config, Function, Args) ->
    py_context:call(ctx(Config), reads, Function, Args).

async(Run) -> spawn_monitor(fun() -> exit({got, Run()}) end).

await({Pid, Monitor}) ->
    receive
        {'DOWN', Monitor, process, Pid, {got, Result}} -> Result;
        {'DOWN', Monitor, process, Pid, Reason} -> error(Reason)
    after ?WAIT_MS ->
        error(no_answer)
    end.
