%% Small calls: alone, from many callers, and beside a context that is busy.
-module(bench_calls).

-export([latency/0, load/0, beside/0]).

-define(ROUNDS, 5).
-define(ROUND_CALLS, 10000).
-define(WARM_UP_CALLS, 2000).
-define(LOAD_MS, 3000).
-define(BESIDE_CALLS, 1000).
-define(SETTLE_CALLS, 50).
-define(BESIDE_SLEEP_CALLS, 10000).

%% Both echo ports and the call take turns, so that a change of the machine's
%% mood touches all three.
-spec latency() -> [bench_figure:figure()].
latency() ->
    {ok, _} = application:ensure_all_started(pyport),
    Block = bench_echo:open(block),
    Spin = bench_echo:open(spin),
    Packet = request(),
    Steps = [
        {block, fun() -> bench_echo:round_trip(Block, Packet) end},
        {spin, fun() -> bench_echo:round_trip(Spin, Packet) end},
        {call, fun small_call/0}
    ],
    _ = [samples(?WARM_UP_CALLS, Run) || {_, Run} <- Steps],
    Rounds = [
        [{Name, samples(?ROUND_CALLS, Run)} || {Name, Run} <- Steps]
     || _ <- lists:seq(1, ?ROUNDS)
    ],
    ok = bench_echo:close(Block),
    ok = bench_echo:close(Spin),
    lists:append([
        percentile_figures(Percent, Title, Rounds)
     || {Percent, Title} <- [{50, "p50"}, {99, "p99"}]
    ]).

-spec percentile_figures(number(), string(), [[{atom(), [number(), ...]}]]) ->
    [bench_figure:figure()].
percentile_figures(Percent, Title, Rounds) ->
    [Block, Spin, Call] =
        bench_figure:medians(Percent, [block, spin, call], Rounds),
    [
        bench_figure:new("echo that blocks, " ++ Title, Block, "us"),
        bench_figure:new("echo that spins, " ++ Title, Spin, "us"),
        bench_figure:new("call, " ++ Title, Call, "us"),
        bench_figure:new(
            "call against the echo that blocks, " ++ Title,
            Call / Block,
            "x",
            {at_most, 0.5},
            {at_most, 0.15}
        ),
        bench_figure:new(
            "call against the echo that spins, " ++ Title,
            Call / Spin,
            "x",
            {at_most, 2.0},
            {at_most, 1.3}
        )
    ].

-spec load() -> [bench_figure:figure()].
load() ->
    {ok, _} = application:ensure_all_started(pyport),
    _ = samples(?WARM_UP_CALLS, fun small_call/0),
    Echo = [{N, echo_load(N)} || N <- [1, 8, 64]],
    Asked = [{1, 100000, 200000}, {8, 250000, 400000}, {64, 450000, 900000}],
    Measured = [{N, Bar, Aim, counts(N)} || {N, Bar, Aim} <- Asked],
    [
        bench_figure:new(callers("echo that blocks, ", N), PerSecond, "/s")
     || {N, PerSecond} <- Echo
    ] ++
        [
            bench_figure:new(
                callers("calls, ", N),
                lists:sum(Counts) * 1000 / ?LOAD_MS,
                "/s",
                {at_least, Bar},
                {at_least, Aim}
            )
         || {N, Bar, Aim, Counts} <- Measured
        ] ++
        [
            bench_figure:new(
                "fewest against most calls, 64 callers",
                lists:min(Counts) / lists:max(Counts),
                "x",
                {at_least, 0.7},
                {at_least, 0.9}
            )
         || {64, _, _, Counts} <- Measured
        ].

-spec callers(string(), pos_integer()) -> string().
callers(What, 1) -> What ++ "1 caller";
callers(What, N) -> What ++ integer_to_list(N) ++ " callers".

-spec counts(pos_integer()) -> [pos_integer(), ...].
counts(Callers) ->
    repeat_for(Callers, fun() -> fun small_call/0 end).

%% Each caller has an echo program of its own: a port answers its owner.
-spec echo_load(pos_integer()) -> float().
echo_load(Callers) ->
    Packet = request(),
    Start = fun() ->
        Port = bench_echo:open(block),
        fun() -> bench_echo:round_trip(Port, Packet) end
    end,
    lists:sum(repeat_for(Callers, Start)) * 1000 / ?LOAD_MS.

%% How often each of N processes could run what Start made, in LOAD_MS.
-spec repeat_for(pos_integer(), fun(() -> fun(() -> ok))) ->
    [pos_integer(), ...].
repeat_for(N, Start) ->
    Phase = atomics:new(1, []),
    Self = self(),
    Workers = [
        spawn_monitor(fun() ->
            Run = Start(),
            ok = Run(),
            Self ! {ready, self()},
            receive
                go -> exit({count, repeat(Run, Phase, 0)})
            end
        end)
     || _ <- lists:seq(1, N)
    ],
    _ = [
        receive
            {ready, Pid} -> ok
        end
     || {Pid, _} <- Workers
    ],
    _ = [Pid ! go || {Pid, _} <- Workers],
    timer:sleep(?LOAD_MS),
    ok = atomics:put(Phase, 1, 1),
    [
        receive
            {'DOWN', Ref, process, Pid, {count, Count}} -> Count
        end
     || {Pid, Ref} <- Workers
    ].

-spec repeat(fun(() -> ok), atomics:atomics_ref(), non_neg_integer()) ->
    non_neg_integer().
repeat(Run, Phase, Count) ->
    ok = Run(),
    case atomics:get(Phase, 1) of
        0 -> repeat(Run, Phase, Count + 1);
        1 -> Count + 1
    end.

%% A small call on one context while another of the same host is busy.
-spec beside() -> [bench_figure:figure()].
beside() ->
    {ok, _} = application:ensure_all_started(pyport),
    {ok, Busy} = py_context:new(#{mode => worker}),
    {ok, Quick} = py_context:new(#{mode => worker}),
    Small = fun() ->
        {ok, 4.0} = py:call(Quick, math, sqrt, [16]),
        ok
    end,
    _ = samples(?WARM_UP_CALLS, Small),
    %% Outlasts the calls beside it; cancelled when its caller is killed.
    Endless = <<"sum(i * i for i in range(10**9))">>,
    Compute = fun() -> py:eval(Busy, Endless) end,
    Sleep = fun() -> {ok, _} = py:call(Busy, time, sleep, [0.02]) end,
    Computing = while(Compute, fun() -> settled(?BESIDE_CALLS, Small) end),
    Sleeping = while(Sleep, fun() -> settled(?BESIDE_SLEEP_CALLS, Small) end),
    [
        bench_figure:new(
            "call beside a computing context, p50",
            bench_figure:median(Computing) / 1000,
            "ms",
            {at_most, 1.0},
            {at_most, 0.6}
        ),
        bench_figure:new(
            "call beside a sleeping context, worst of 10,000",
            lists:max(Sleeping) / 1000,
            "ms",
            {at_most, 10},
            {at_most, 2}
        )
    ].

%% The first calls may come before the other context is busy: they do not count.
-spec settled(pos_integer(), fun(() -> ok)) -> [float(), ...].
settled(Count, Run) ->
    _ = samples(?SETTLE_CALLS, Run),
    samples(Count, Run).

%% Runs Fun while another process repeats Busy.
-spec while(fun(() -> term()), fun(() -> [float(), ...])) -> [float(), ...].
while(Busy, Fun) ->
    {Pid, Ref} = spawn_monitor(fun() -> for_ever(Busy) end),
    Result = Fun(),
    true = exit(Pid, kill),
    receive
        {'DOWN', Ref, process, Pid, killed} -> Result
    end.

-spec for_ever(fun(() -> term())) -> no_return().
for_ever(Fun) ->
    _ = Fun(),
    for_ever(Fun).

-spec small_call() -> ok.
small_call() ->
    {ok, 4.0} = py:call(math, sqrt, [16]),
    ok.

%% A packet as long as that of the small call.
-spec request() -> binary().
request() ->
    Term = term_to_binary({math, sqrt, [16], #{}}),
    <<16#10, 1:64, 0:136, Term/binary>>.

%% Microseconds of each of Count runs.
-spec samples(pos_integer(), fun(() -> ok)) -> [float(), ...].
samples(Count, Run) ->
    [sample(Run) || _ <- lists:seq(1, Count)].

-spec sample(fun(() -> ok)) -> float().
sample(Run) ->
    Started = erlang:monotonic_time(nanosecond),
    ok = Run(),
    (erlang:monotonic_time(nanosecond) - Started) / 1000.
