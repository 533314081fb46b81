%% What channels are measured against: the same packets into a port that throws
%% them away, messages between two processes, a queue between two threads.
-module(bench_channels_bare).

-export([figures/0]).

-define(RUN_MS, 3000).
-define(PACKET_BYTES, 65536).
-define(MEGABYTE, (1 bsl 20)).
-define(STEP, 10000).
-define(QUEUED, 1000000).
-define(CALL_MS, 60000).

-spec figures() -> [bench_figure:figure()].
figures() ->
    {ok, SimpleQueue} = py:call(
        bench_channels, simple_queue, [?QUEUED], #{}, ?CALL_MS
    ),
    [
        bench_figure:new(
            Name ++ " in packets of 64 KiB into a bare port",
            bare_link(Bytes) / 1.0e6,
            "M/s"
        )
     || {Name, Bytes} <- [{"64 B", 64}, {"1 KB", 1024}, {"16 KB", 16384}]
    ] ++
        [
            bench_figure:new(
                "64 B from process to process",
                between_processes() / 1.0e6,
                "M/s"
            ),
            bench_figure:new(
                "queue.SimpleQueue from thread to thread",
                SimpleQueue / 1.0e6,
                "M/s"
            )
        ].

%% The sink tells of each whole megabyte that it has read.
-spec bare_link(pos_integer()) -> float().
bare_link(Bytes) ->
    Term = term_to_binary(binary:copy(<<"x">>, Bytes)),
    Message = <<16#31, 1:64, Term/binary>>,
    Entry = <<(byte_size(Message)):32, Message/binary>>,
    Count = max(1, ?PACKET_BYTES div byte_size(Entry)),
    Packet = <<16#7F, (binary:copy(Entry, Count))/binary>>,
    Sink = bench_echo:open(sink),
    Started = erlang:monotonic_time(microsecond),
    Sent = send_for(Sink, Packet, Started + ?RUN_MS * 1000, 0),
    Whole = Sent * (byte_size(Packet) + 4) div ?MEGABYTE,
    ok = read(Sink, Whole),
    Us = erlang:monotonic_time(microsecond) - Started,
    ok = bench_echo:close(Sink),
    Sent * Count * 1.0e6 / Us.

-spec send_for(port(), binary(), integer(), non_neg_integer()) ->
    non_neg_integer().
send_for(Sink, Packet, Until, Sent) ->
    true = port_command(Sink, Packet),
    case erlang:monotonic_time(microsecond) < Until of
        true -> send_for(Sink, Packet, Until, Sent + 1);
        false -> Sent + 1
    end.

-spec read(port(), non_neg_integer()) -> ok.
read(Sink, Whole) ->
    receive
        {Sink, {data, <<Read:32>>}} when Read >= Whole -> ok;
        {Sink, {data, <<_:32>>}} -> read(Sink, Whole)
    end.

-spec between_processes() -> float().
between_processes() ->
    Self = self(),
    Message = binary:copy(<<"x">>, 64),
    Receiver = spawn_link(fun() -> take(Self, ?STEP) end),
    Started = erlang:monotonic_time(microsecond),
    %% Two steps are on their way, so that neither process waits.
    ok = give(Receiver, Message, ?STEP),
    Count = give_for(Receiver, Message, Started + ?RUN_MS * 1000, ?STEP),
    receive
        taken -> ok
    end,
    Us = erlang:monotonic_time(microsecond) - Started,
    true = unlink(Receiver),
    true = exit(Receiver, kill),
    Count * 1.0e6 / Us.

-spec give_for(pid(), binary(), integer(), non_neg_integer()) ->
    non_neg_integer().
give_for(Receiver, Message, Until, Given) ->
    ok = give(Receiver, Message, ?STEP),
    receive
        taken -> ok
    end,
    case erlang:monotonic_time(microsecond) < Until of
        true -> give_for(Receiver, Message, Until, Given + ?STEP);
        false -> Given + ?STEP
    end.

-spec give(pid(), binary(), non_neg_integer()) -> ok.
give(_, _, 0) ->
    ok;
give(Receiver, Message, Left) ->
    Receiver ! Message,
    give(Receiver, Message, Left - 1).

-spec take(pid(), non_neg_integer()) -> no_return().
take(Sender, 0) ->
    Sender ! taken,
    take(Sender, ?STEP);
take(Sender, Left) ->
    receive
        <<_:64/binary>> -> take(Sender, Left - 1)
    end.
