%% @private
%% @doc What processes send to channels over the link: a tight loop of the
%% link that gathers it, and the gate that senders look at first.
%%
%% Messages for channels come as `[Number | Message]', which is the cheapest
%% form there is, and may come by the million. Those that follow one another
%% are put together without asking how many wait, until there is a packet's
%% worth or the mailbox is empty.
%%
%% The gate closes in two ways. Under pressure the program has no memory left
%% for channels: senders are told `busy'. When more is on its way than the
%% limits below, to the link or from it to the program, each sender waits for a
%% PING: so neither the mailbox nor the port grows.
%%
%% State in the dictionary of the link: `channel_out'. Times of PINGs are not
%% watched here: they are in flight like others.
-module(pyport_channel_out).

-export([gather/3, settled/1, is_open/0, set_pressure/1, gone/0]).

-export_type([found/0]).

%% The message behind those for channels.
-type found() :: none | {ok, term()}.

-record(run, {
    floor :: non_neg_integer(),
    bytes_max :: pos_integer(),
    box :: pyport_outbox:outbox()
}).

-define(OUT, channel_out).
-record(out, {
    gate = 0 :: 0..3,
    sent = 0 :: non_neg_integer(),
    %% until here PINGs were sent, and answered
    asked = 0 :: non_neg_integer(),
    %% when the mailbox was looked at
    looked = 0 :: non_neg_integer(),
    settled = 0 :: non_neg_integer()
}).

-define(PACKET_BYTES, (1 bsl 16)).
-define(ENTRY_BYTES, 13).
%% From here on it costs less to refer to a message than to copy it.
-define(COPIED_MAX, 2048).
-define(LOOK_BYTES, (1 bsl 15)).
-define(PING_BYTES, (1 bsl 20)).
-define(UNSETTLED_MAX, (16 bsl 20)).
-define(MAILBOX_MAX, 4096).
-define(PRESSURE, 1).
-define(CROWD, 2).

%% @doc Sends this message and those that wait behind it.
-spec gather(pos_integer(), iodata(), pyport_outbox:outbox()) ->
          {found(), pyport_outbox:outbox()}.
gather(Number, Message, Box) ->
    Max = min(?PACKET_BYTES, pyport_outbox:frame_bytes_max(Box)),
    add(Number, Message, <<>>, [], 0,
        #run{floor = pyport_channels:floor(), bytes_max = Max, box = Box}).

%% `Tail' is being appended to, `Parts' are before it, last first.
-spec add(pos_integer(), iodata(), binary(), [iodata()], non_neg_integer(),
          #run{}) -> {found(), pyport_outbox:outbox()}.
add(Number, _, Tail, Parts, Bytes, #run{floor = Floor} = Run)
  when Number =< Floor ->
    next(Tail, Parts, Bytes, Run); %% its program is gone
add(Number, Message, Tail, Parts, Bytes, #run{bytes_max = Max} = Run)
  when is_binary(Message), byte_size(Message) < ?COPIED_MAX,
       Bytes + byte_size(Message) + ?ENTRY_BYTES < Max ->
    Size = byte_size(Message) + 9,
    next(<<Tail/binary, Size:32, 16#31, Number:64, Message/binary>>, Parts,
         Bytes + Size + 4, Run);
add(Number, Message, Tail, Parts, Bytes, #run{bytes_max = Max} = Run) ->
    Size = iolist_size(Message) + 9,
    case Bytes > 0 andalso Bytes + Size + 4 >= Max of
        true ->
            Box = sent(Tail, Parts, Bytes, Run),
            add(Number, Message, <<>>, [], 0, Run#run{box = Box});
        false ->
            Header = <<Tail/binary, Size:32, 16#31, Number:64>>,
            next(<<>>, [Message, Header | Parts], Bytes + Size + 4, Run)
    end.

-spec next(binary(), [iodata()], non_neg_integer(), #run{}) ->
          {found(), pyport_outbox:outbox()}.
next(Tail, Parts, Bytes, Run) ->
    receive
        [Number | Message] when is_integer(Number) ->
            add(Number, Message, Tail, Parts, Bytes, Run);
        Other ->
            {{ok, Other}, pushed(Tail, Parts, Bytes, Run)}
    after 0 ->
        {none, sent(Tail, Parts, Bytes, Run)}
    end.

%% Each so many bytes it is time to look how much is on its way, and to ask
%% what has arrived, whether a packet is full or another message came between:
%% what is sent in small runs fills the mailbox as well.
-spec pushed(binary(), [iodata()], non_neg_integer(), #run{}) ->
          pyport_outbox:outbox().
pushed(_, _, 0, #run{box = Box}) ->
    Box;
pushed(Tail, Parts, Bytes, #run{box = Box0}) ->
    #out{sent = Sent0, asked = Asked, looked = Looked, gate = Gate} = Out =
        out(),
    Sent = Sent0 + Bytes,
    Box = pyport_outbox:touch(lists:reverse(Parts, [Tail]), Bytes, Box0),
    %% those who wait at the gate must not wait once more
    IsTime = Gate >= ?CROWD orelse Sent - Looked >= ?LOOK_BYTES,
    if
        Sent - Asked >= ?PING_BYTES ->
            ok = set(crowd(Out#out{sent = Sent, asked = Sent})),
            pyport_outbox:ask({flow, Sent}, ping, <<>>, Box);
        IsTime ->
            ok = set(crowd(Out#out{sent = Sent})),
            Box;
        true ->
            ok = set(Out#out{sent = Sent}),
            Box
    end.

%% A packet goes out.
-spec sent(binary(), [iodata()], non_neg_integer(), #run{}) ->
          pyport_outbox:outbox().
sent(Tail, Parts, Bytes, Run) ->
    Box = pushed(Tail, Parts, Bytes, Run),
    case pyport_outbox:fullness(Box) of
        empty -> Box;
        _ -> pyport_outbox:flush(Box)
    end.

-spec crowd(#out{}) -> #out{}.
crowd(#out{sent = Sent, settled = Settled, gate = Gate} = Out0) ->
    Out = Out0#out{looked = Sent},
    {message_queue_len, Waiting} = process_info(self(), message_queue_len),
    IsMuch = Sent - Settled > ?UNSETTLED_MAX orelse Waiting > ?MAILBOX_MAX,
    IsLittle = Sent - Settled < ?UNSETTLED_MAX div 2
        andalso Waiting < ?MAILBOX_MAX div 2,
    if
        IsMuch -> gate(Gate bor ?CROWD, Out);
        IsLittle -> gate(Gate band (bnot ?CROWD), Out);
        true -> Out
    end.

-spec gate(0..3, #out{}) -> #out{}.
gate(Gate, #out{gate = Gate} = Out) ->
    Out;
gate(Gate, Out) ->
    case pyport_lanes:casts(self()) of
        gone -> ok;
        Casts -> pyport_lanes:set_gate(Casts, Gate)
    end,
    Out#out{gate = Gate}.

%% @doc The program has read what was sent up to here.
-spec settled(non_neg_integer()) -> ok.
settled(UpTo) ->
    #out{settled = Settled} = Out = out(),
    set(crowd(Out#out{settled = max(UpTo, Settled)})).

%% @doc May anything be sent, or is the program under pressure?
-spec is_open() -> boolean().
is_open() ->
    #out{gate = Gate} = out(),
    Gate band ?PRESSURE =:= 0.

-spec set_pressure(boolean()) -> ok.
set_pressure(true) ->
    #out{gate = Gate} = Out = out(),
    set(gate(Gate bor ?PRESSURE, Out));
set_pressure(false) ->
    #out{gate = Gate} = Out = out(),
    set(gate(Gate band (bnot ?PRESSURE), Out)).

%% @doc The program is gone, and what was on its way.
-spec gone() -> ok.
gone() ->
    #out{sent = Sent} = Out = gate(0, out()),
    set(Out#out{asked = Sent, looked = Sent, settled = Sent}).

-spec out() -> #out{}.
out() ->
    case get(?OUT) of
        undefined -> #out{};
        Out -> Out
    end.

-spec set(#out{}) -> ok.
set(Out) ->
    _ = put(?OUT, Out),
    ok.
