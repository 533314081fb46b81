%% A message to Python and one back: beside the bare echo ports; and into
%% asyncio, beside asyncio.Queue fed from a thread.
-module(bench_channels_trip).

-export([ping/0, async/0]).

-define(ROUNDS, 5).
-define(ROUND_TRIPS, 10000).
-define(ASYNC_TRIPS, 3000).
-define(WARM_UP, 2000).
-define(CALL_MS, 60000).

%% All three take turns, so that a change of the machine's mood touches all.
-spec ping() -> [bench_figure:figure()].
ping() ->
    ok = bench_buffers:start(),
    Block = bench_echo:open(block),
    Spin = bench_echo:open(spin),
    {ok, Channel} = py_channel:new(),
    Reader = py:spawn_call(bench_channels, echo, [Channel]),
    Packet = packet(),
    Steps = [
        {block, fun() -> bench_echo:round_trip(Block, Packet) end},
        {spin, fun() -> bench_echo:round_trip(Spin, Packet) end},
        {ping, fun() -> trip(Channel) end}
    ],
    _ = [samples(?WARM_UP, Run) || {_, Run} <- Steps],
    Rounds = [
        [{Name, samples(?ROUND_TRIPS, Run)} || {Name, Run} <- Steps]
     || _ <- lists:seq(1, ?ROUNDS)
    ],
    ok = py_channel:close(Channel),
    {ok, none} = py:await(Reader, ?CALL_MS),
    ok = bench_echo:close(Block),
    ok = bench_echo:close(Spin),
    figures(50, "p50", 4.5, Rounds) ++ figures(99, "p99", 9, Rounds).

-spec figures(number(), string(), number(), [[{atom(), [number(), ...]}]]) ->
    [bench_figure:figure()].
figures(Percent, Title, Aim, Rounds) ->
    [Block, Spin, Ping] =
        bench_figure:medians(Percent, [block, spin, ping], Rounds),
    [
        bench_figure:new("that echo that blocks, " ++ Title, Block, "us"),
        bench_figure:new("that echo that spins, " ++ Title, Spin, "us"),
        bench_figure:new(
            "send, Python, reply, " ++ Title, Ping, "us", none, {at_most, Aim}
        ),
        bench_figure:new(
            "  against the echo that blocks, " ++ Title,
            Ping / Block,
            "x",
            {at_most, 0.5},
            none
        ),
        bench_figure:new(
            "  against the echo that spins, " ++ Title,
            Ping / Spin,
            "x",
            {at_most, 2.0},
            none
        )
    ].

%% The Queue's trip is from a thread to the loop and back to the thread.
-spec async() -> [bench_figure:figure()].
async() ->
    ok = bench_buffers:start(),
    Rounds = [async_round() || _ <- lists:seq(1, ?ROUNDS)],
    {Ours, Theirs} = lists:unzip(Rounds),
    {Mine, Their} = {bench_figure:median(Ours), bench_figure:median(Theirs)},
    [
        bench_figure:new("async_receive and reply, p50", Mine, "us"),
        bench_figure:new("asyncio.Queue from a thread, p50", Their, "us"),
        bench_figure:new(
            "  against each other",
            Mine / Their,
            "x",
            {at_most, 1.5},
            {at_most, 1.0}
        )
    ].

-spec async_round() -> {number(), number()}.
async_round() ->
    {ok, Channel} = py_channel:new(),
    Reader = py:spawn_call(bench_channels, async_echo, [Channel]),
    _ = samples(?WARM_UP div ?ROUNDS, fun() -> trip(Channel) end),
    Ours = samples(?ASYNC_TRIPS, fun() -> trip(Channel) end),
    ok = py_channel:close(Channel),
    {ok, none} = py:await(Reader, ?CALL_MS),
    {ok, Theirs} = py:call(
        bench_channels, queue_trips_us, [?ASYNC_TRIPS], #{}, ?CALL_MS
    ),
    {bench_figure:median(Ours), bench_figure:median(Theirs)}.

-spec trip(reference()) -> ok.
trip(Channel) ->
    ok = py_channel:send(Channel, {self(), 1}),
    receive
        {pong, 1} -> ok
    end.

%% A packet as long as the one that trip/1 causes.
-spec packet() -> binary().
packet() ->
    Term = term_to_binary({self(), 1}),
    <<16#31, 1:64, Term/binary>>.

%% Microseconds of each of Count runs.
-spec samples(pos_integer(), fun(() -> ok)) -> [float(), ...].
samples(Count, Run) ->
    [sample(Run) || _ <- lists:seq(1, Count)].

-spec sample(fun(() -> ok)) -> float().
sample(Run) ->
    Started = erlang:monotonic_time(nanosecond),
    ok = Run(),
    (erlang:monotonic_time(nanosecond) - Started) / 1000.
