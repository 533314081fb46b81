%% Channels from Erlang to Python under load: one sender, eight, one that waits
%% for room, and bytes; what a send costs with little and with much queued.
-module(bench_channels).

-export([rate/0, many/0, bytes/0, queued/0]).

-define(WINDOW_BYTES, (4 bsl 20)).
-define(CHUNK_BYTES, 65536).
-define(CHUNK_STEP, 512).
-define(CHUNKS_HELD, 1024).
-define(FEW, 10).
-define(MANY, 1000000).
-define(BATCH, 100).
-define(BATCHES, 500).
-define(FILLED_EACH, 10000).

%% Name, bytes of a message, messages told of at once, messages outstanding.
-type size() :: {string(), pos_integer(), pos_integer(), pos_integer()}.

-spec small() -> size().
small() -> {"64 B", 64, 8192, 262144}.

-spec kilobyte() -> size().
kilobyte() -> {"1 KB", 1024, 4096, 65536}.

-spec large() -> size().
large() -> {"16 KB", 16384, 1024, 8192}.

%% The sender that waits has its measure in the same run.
-spec rate() -> [bench_figure:figure()].
rate() ->
    ok = bench_buffers:start(),
    Small = rates(small(), 1),
    Kilobyte = rates(kilobyte(), 1),
    Large = rates(large(), 1),
    Waiting = waiting(large()),
    Against = bench_figure:median(Waiting) / bench_figure:median(Large),
    lists:append([
        bench_channels_load:steady("1 sender, 64 B", Small, 1.5, 3.0),
        bench_channels_load:steady("1 sender, 1 KB", Kilobyte, 0.7, 1.5),
        bench_channels_load:steady("1 sender, 16 KB", Large, 0.15, 0.4),
        [
            bench_figure:new(
                "sender that waits, 4 MB of 16 KB, against that",
                Against,
                "x",
                {at_least, 0.8},
                {at_least, 0.95}
            )
        ]
    ]) ++ bench_channels_bare:figures().

-spec many() -> [bench_figure:figure()].
many() ->
    ok = bench_buffers:start(),
    lists:append([
        bench_channels_load:steady(
            "8 senders, " ++ element(1, Size), rates(Size, 8), Bar, Aim
        )
     || {Size, Bar, Aim} <- [
            {small(), 1.2, 3.0},
            {kilobyte(), 0.5, 1.5},
            {large(), 0.12, 0.35}
        ]
    ]).

-spec rates(size(), pos_integer()) -> [non_neg_integer(), ...].
rates({_, Bytes, Step, HeldMax}, Senders) ->
    {ok, Channel} = py_channel:new(),
    bench_channels_load:rates(#{
        channel => Channel,
        send => fun py_channel:send/2,
        close => fun py_channel:close/1,
        bytes => Bytes,
        senders => Senders,
        step => Step,
        held_max => HeldMax
    }).

-spec waiting(size()) -> [non_neg_integer(), ...].
waiting({_, Bytes, Step, _}) ->
    {ok, Channel} = py_channel:new(#{max_size => ?WINDOW_BYTES}),
    bench_channels_load:rates(#{
        channel => Channel,
        send => fun(To, Message) -> py_channel:send(To, Message, infinity) end,
        close => fun py_channel:close/1,
        bytes => Bytes,
        senders => 1,
        step => Step,
        held_max => none
    }).

-spec bytes() -> [bench_figure:figure()].
bytes() ->
    ok = bench_buffers:start(),
    {ok, Channel} = py_byte_channel:new(),
    Rates = bench_channels_load:rates(#{
        channel => Channel,
        send => fun py_byte_channel:send/2,
        close => fun py_byte_channel:close/1,
        bytes => ?CHUNK_BYTES,
        senders => 1,
        step => ?CHUNK_STEP,
        held_max => ?CHUNKS_HELD
    }),
    Median = bench_figure:median(Rates),
    [
        bench_figure:new(
            "byte channel, 64 KB",
            Median * ?CHUNK_BYTES / 1.0e9,
            "GB/s",
            {at_least, 3.0},
            {at_least, 6.0}
        ),
        bench_figure:new(
            "byte channel, 64 KB, slowest of ten seconds / median",
            lists:min(Rates) / max(1, Median),
            "x"
        ),
        bench_figure:new(
            "64 KB into a bare unix socket, thrown away",
            bench_buffers:bare_lane(
                binary:copy(<<"x">>, ?CHUNK_BYTES), 16 * ?CHUNKS_HELD
            ),
            "GB/s"
        )
    ].

%% Two channels take turns: in one wait ten messages, in the other a million.
%% Python takes as many of each as were sent, so they stay that long.
-spec queued() -> [bench_figure:figure()].
queued() ->
    ok = bench_buffers:start(),
    {ok, Few} = py_channel:new(),
    {ok, Many} = py_channel:new(),
    Message = binary:copy(<<"x">>, 64),
    ok = fill(Few, Message, ?FEW),
    ok = fill(Many, Message, ?MANY),
    _ = [batch(Channel, Message) || _ <- batches(), Channel <- [Few, Many]],
    Samples = [{batch(Few, Message), batch(Many, Message)} || _ <- batches()],
    {FewSamples, ManySamples} = lists:unzip(Samples),
    ok = py_channel:close(Few),
    ok = py_channel:close(Many),
    {FewSend, FewThrough} = medians(FewSamples),
    {ManySend, ManyThrough} = medians(ManySamples),
    [
        bench_figure:new("send, 10 queued", FewSend, "us"),
        bench_figure:new("send, 1,000,000 queued", ManySend, "us"),
        bench_figure:new(
            "  against each other",
            ManySend / FewSend,
            "x",
            {at_most, 1.2},
            none
        ),
        bench_figure:new(
            "100 sent and taken, 1,000,000 against 10 queued",
            ManyThrough / FewThrough,
            "x",
            {at_most, 1.2},
            none
        )
    ].

-spec batches() -> [pos_integer()].
batches() -> lists:seq(1, ?BATCHES).

-spec medians([{float(), float()}, ...]) -> {number(), number()}.
medians(Samples) ->
    {Sends, Throughs} = lists:unzip(Samples),
    {bench_figure:median(Sends), bench_figure:median(Throughs)}.

%% Not faster than the program takes them in.
-spec fill(reference(), binary(), non_neg_integer()) -> ok.
fill(_, _, 0) ->
    ok;
fill(Channel, Message, Left) ->
    Count = min(Left, ?FILLED_EACH),
    ok = send(Channel, Message, Count),
    #{messages := _} = py_channel:info(Channel),
    fill(Channel, Message, Left - Count).

%% Microseconds of a send, and of the whole batch until Python has taken it.
-spec batch(reference(), binary()) -> {float(), float()}.
batch(Channel, Message) ->
    Started = erlang:monotonic_time(nanosecond),
    ok = send(Channel, Message, ?BATCH),
    Sent = erlang:monotonic_time(nanosecond),
    {ok, ?BATCH} = py:call(bench_channels, take, [Channel, ?BATCH]),
    Taken = erlang:monotonic_time(nanosecond),
    {(Sent - Started) / 1000 / ?BATCH, (Taken - Started) / 1000}.

-spec send(reference(), binary(), non_neg_integer()) -> ok.
send(_, _, 0) ->
    ok;
send(Channel, Message, Left) ->
    ok = py_channel:send(Channel, Message),
    send(Channel, Message, Left - 1).
