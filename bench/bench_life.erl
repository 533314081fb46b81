%% Starting, restarting, running in parallel, and what an idle host costs.
-module(bench_life).

-export([start/0, parallel/0, restart/0, memory/0, idle/0]).

-define(REPEAT, 5).
%% Longer than the span in which a second death counts as a crash loop.
-define(BETWEEN_CRASHES_MS, 1500).
-define(IDLE_MS, 10000).
-define(COMPUTE, <<"sum(i * i for i in range(2000000))">>).
-define(COMPUTE_RUNS, 5).

%% The application in a fresh BEAM, code loading included; then one more
%% isolated context in this one.
-spec start() -> [bench_figure:figure()].
start() ->
    Fresh = [fresh_start_ms() || _ <- lists:seq(1, ?REPEAT)],
    {ok, _} = application:ensure_all_started(pyport),
    {ok, 4.0} = py:call(math, sqrt, [16]),
    More = [isolated_ms() || _ <- lists:seq(1, ?REPEAT + 1)],
    [
        bench_figure:new(
            "start of the application to the first answer",
            bench_figure:median(Fresh),
            "ms",
            {at_most, 70},
            {at_most, 30}
        ),
        bench_figure:new(
            "one more isolated context to its first answer",
            bench_figure:median(tl(More)),
            "ms",
            {at_most, 30},
            {at_most, 12}
        )
    ].

-spec fresh_start_ms() -> float().
fresh_start_ms() ->
    Program =
        "T = erlang:monotonic_time(nanosecond),"
        "{ok, _} = application:ensure_all_started(pyport),"
        "{ok, 4.0} = py:call(math, sqrt, [16]),"
        "io:put_chars(integer_to_list(erlang:monotonic_time(nanosecond) - T)),"
        "halt(0, [{flush, true}]).",
    Ebin = filename:join(code:lib_dir(pyport), "ebin"),
    Args = ["-noshell", "-pa", Ebin, "-eval", Program],
    Port = open_port({spawn_executable, os:find_executable("erl")}, [
        {args, Args}, exit_status
    ]),
    list_to_integer(output(Port, [])) / 1.0e6.

-spec output(port(), string()) -> string().
output(Port, Output) ->
    receive
        {Port, {data, More}} -> output(Port, Output ++ More);
        {Port, {exit_status, 0}} -> Output
    end.

-spec isolated_ms() -> float().
isolated_ms() ->
    {Ms, {ok, Ctx}} = timed_ms(fun() ->
        {ok, Ctx} = py_context:new(#{mode => isolated}),
        {ok, 4.0} = py:call(Ctx, math, sqrt, [16]),
        {ok, Ctx}
    end),
    ok = py_context:destroy(Ctx),
    Ms.

%% Work done by two isolated contexts at once against one alone.
-spec parallel() -> [bench_figure:figure()].
parallel() ->
    {ok, _} = application:ensure_all_started(pyport),
    {ok, A} = py_context:new(#{mode => isolated}),
    {ok, B} = py_context:new(#{mode => isolated}),
    _ = compute_ms([A, B]),
    Ratios = [2 * compute_ms([A]) / compute_ms([A, B]) || _ <- lists:seq(1, 3)],
    [
        bench_figure:new(
            "two computing isolated contexts against one",
            bench_figure:median(Ratios),
            "x",
            {at_least, 1.8},
            {at_least, 1.95}
        )
    ].

-spec compute_ms([pid()]) -> float().
compute_ms(Contexts) ->
    {Ms, ok} = timed_ms(fun() ->
        Workers = [spawn_monitor(fun() -> compute(Ctx) end) || Ctx <- Contexts],
        bench_wait:ended(Workers)
    end),
    Ms.

-spec compute(pid()) -> ok.
compute(Ctx) ->
    lists:foreach(
        fun(_) -> {ok, _} = py:eval(Ctx, ?COMPUTE, #{}, infinity) end,
        lists:seq(1, ?COMPUTE_RUNS)
    ).

%% From the call that dereferences a null pointer to the next answer.
-spec restart() -> [bench_figure:figure()].
restart() ->
    {ok, _} = application:ensure_all_started(pyport),
    Times = [crash_ms() || _ <- lists:seq(1, ?REPEAT)],
    [
        bench_figure:new(
            "segfault to the next answer of the pool",
            bench_figure:median(Times),
            "ms",
            {at_most, 70},
            {at_most, 20}
        )
    ].

-spec crash_ms() -> float().
crash_ms() ->
    {ok, _} = py:eval(<<"__import__('ctypes').sizeof.__name__">>),
    timer:sleep(?BETWEEN_CRASHES_MS),
    {Ms, ok} = timed_ms(fun() ->
        {error, {context_died, _}} = py:call(ctypes, string_at, [0]),
        {ok, 4.0} = py:call(math, sqrt, [16]),
        ok
    end),
    Ms.

%% A host after its first calls against a python3 that imported the same.
-spec memory() -> [bench_figure:figure()].
memory() ->
    {ok, _} = application:ensure_all_started(pyport),
    {ok, Ctx} = py_context:new(#{mode => isolated}),
    {ok, 4.0} = py:call(Ctx, math, sqrt, [16]),
    {ok, OsPid} = py:eval(Ctx, <<"__import__('os').getpid()">>),
    {ok, Modules} = py:eval(Ctx, <<"sorted(__import__('sys').modules)">>),
    {BareRss, BarePrivate} = bench_os:bare_python_kb(Modules),
    Rss = bench_os:rss_kb(OsPid),
    Private = bench_os:private_kb(OsPid),
    ok = py_context:destroy(Ctx),
    [
        bench_figure:new("RSS of a host", Rss / 1024, "MB"),
        bench_figure:new(
            "RSS of a bare python3 with the same imports", BareRss / 1024, "MB"
        ),
        bench_figure:new(
            "RSS of a host beyond the bare python3",
            (Rss - BareRss) / 1024,
            "MB",
            {at_most, 6},
            {at_most, 2}
        ),
        bench_figure:new(
            "private memory of a host beyond the bare python3",
            (Private - BarePrivate) / 1024,
            "MB"
        )
    ].

-spec idle() -> [bench_figure:figure()].
idle() ->
    {ok, _} = application:ensure_all_started(pyport),
    {ok, 4.0} = py:call(math, sqrt, [16]),
    Host = bench_os:host_pid(),
    Beam = list_to_integer(os:getpid()),
    %% The first second belongs to what was just started.
    timer:sleep(1000),
    Before = [bench_os:cpu_ticks(Pid) || Pid <- [Host, Beam]],
    timer:sleep(?IDLE_MS),
    After = [bench_os:cpu_ticks(Pid) || Pid <- [Host, Beam]],
    [HostMs, BeamMs] = [10 * (A - B) || {B, A} <- lists:zip(Before, After)],
    [
        bench_figure:new(
            "CPU of an idle host in 10 s", HostMs, "ms", {at_most, 0}, none
        ),
        %% The BEAM's own housekeeping is a tick or two without pyport, too.
        bench_figure:new(
            "CPU of an idle BEAM in 10 s", BeamMs, "ms", {at_most, 20}, none
        )
    ].

-spec timed_ms(fun(() -> Result)) -> {float(), Result} when Result :: term().
timed_ms(Fun) ->
    Started = erlang:monotonic_time(nanosecond),
    Result = Fun(),
    {(erlang:monotonic_time(nanosecond) - Started) / 1.0e6, Result}.
