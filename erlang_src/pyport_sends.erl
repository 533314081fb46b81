%% @private
%% @doc What Python sends to processes, in the link: a single small message is
%% delivered at once, everything else by the courier, behind which nothing
%% small goes either while it is at work. So the messages of Python arrive in
%% their order, and the answer to a call behind what was sent before it.
%%
%% State in the dictionary of the link: `sends'.
-module(pyport_sends).

-export([run/1, one/2, behind/2, taken/0, gone/0]).

-record(sends, {
    courier :: pyport_courier:courier(),
    %% bytes that were taken off packets, delivered by the link itself, were
    %% taken when this program started, and that it was told of
    arrived = 0 :: non_neg_integer(),
    own = 0 :: non_neg_integer(),
    base = 0 :: non_neg_integer(),
    told = 0 :: non_neg_integer()
}).

%% What a message takes beside receiver and term: operation, 0, length.
-define(HEADER_BYTES, 11).
-define(LENGTH_BYTES, 4).
-define(AT_ONCE_MAX, 512).
-define(STEP_BYTES, (1 bsl 20)).

%% @doc Takes the SENDs that a batch begins with. Count 0: there are none.
-spec run(binary()) ->
          {Count :: non_neg_integer(), Rest :: binary(),
           [pyport_objects:effect()]}.
run(<<Size:32, 16#B4, 0:64, ToBytes:16, To:ToBytes/binary,
      Term:(Size - ?HEADER_BYTES - ToBytes)/binary, Rest/binary>> = Batch) ->
    case Rest of
        <<_:32, 16#B4, _/binary>> ->
            {Count, Others} = walk(Rest, 1),
            Bytes = byte_size(Batch) - byte_size(Others),
            Sends = give(binary:part(Batch, 0, Bytes), Count, sends()),
            {Count, Others, told(Sends)};
        _ ->
            {1, Rest, one(To, Term)}
    end;
run(Batch) ->
    {0, Batch, []}.

-spec walk(binary(), pos_integer()) -> {pos_integer(), binary()}.
walk(<<Size:32, 16#B4, 0:64, ToBytes:16, _:ToBytes/binary,
       _:(Size - ?HEADER_BYTES - ToBytes)/binary, Rest/binary>>, Count) ->
    walk(Rest, Count + 1);
walk(Rest, Count) ->
    {Count, Rest}.

%% @doc One message alone.
-spec one(binary(), binary()) -> [pyport_objects:effect()].
one(To, Term) ->
    #sends{courier = Courier, arrived = Arrived, own = Own} = Sends = sends(),
    Bytes = byte_size(To) + byte_size(Term) + ?HEADER_BYTES,
    case Bytes =< ?AT_ONCE_MAX andalso pyport_courier:is_idle(Courier) of
        true ->
            ok = pyport_courier:deliver_now(To, Term),
            told(Sends#sends{arrived = Arrived + Bytes, own = Own + Bytes});
        false ->
            Entry = <<Bytes:32, 16#B4, 0:64, (byte_size(To)):16, To/binary,
                      Term/binary>>,
            told(give(Entry, 1, Sends))
    end.

-spec give(binary(), pos_integer(), #sends{}) -> #sends{}.
give(Batch, Count, #sends{courier = Courier, arrived = Arrived} = Sends) ->
    Bytes = byte_size(Batch) - ?LENGTH_BYTES * Count,
    ok = pyport_courier:deliver(Batch, Bytes, Courier),
    Sends#sends{arrived = Arrived + Bytes}.

%% @doc Delivers something else behind what is on its way.
-spec behind(pid() | reference(), term()) -> ok.
behind(To, Message) ->
    case get(sends) of
        undefined ->
            To ! Message,
            ok;
        #sends{courier = Courier} ->
            case pyport_courier:is_idle(Courier) of
                true ->
                    To ! Message,
                    ok;
                false ->
                    pyport_courier:pass(To, Message, Courier)
            end
    end.

%% @doc The courier has delivered much.
-spec taken() -> [pyport_objects:effect()].
taken() -> told(sends()).

-spec told(#sends{}) -> [pyport_objects:effect()].
told(#sends{told = Told} = Sends) ->
    case taken(Sends) of
        Taken when Taken - Told >= ?STEP_BYTES ->
            _ = put(sends, Sends#sends{told = Taken}),
            [{link, pyport_wire_channel:messages_taken(Taken)}];
        _ ->
            _ = put(sends, Sends),
            []
    end.

%% Of what arrived from this program.
-spec taken(#sends{}) -> non_neg_integer().
taken(#sends{courier = Courier, own = Own, base = Base}) ->
    max(0, Own + pyport_courier:delivered(Courier) - Base).

%% @doc The program is gone; what it has sent is delivered.
-spec gone() -> ok.
gone() ->
    case get(sends) of
        undefined ->
            ok;
        #sends{arrived = Arrived} = Sends ->
            _ = put(sends, Sends#sends{base = Arrived, told = 0}),
            ok
    end.

-spec sends() -> #sends{}.
sends() ->
    case get(sends) of
        undefined -> #sends{courier = pyport_courier:start_link()};
        Sends -> Sends
    end.
