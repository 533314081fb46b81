%% @private
%% @doc The receiving side of a channel, in the calling process.
%%
%% The segment is found before a message of it is claimed: it is deleted by
%% whoever claims its last one, and until then it is there. Where the process
%% is in a segment is in its dictionary; for one receiver a message costs no
%% look into the table.
-module(pyport_channel_recv).

-export([recv/3, try_receive/2]).
%% pyport_channel
-export([recv/4, left/1]).

-export_type([received/0]).

-type channel() :: pyport_channel_cells:handle().
-type kind() :: pyport_channel_cells:kind().
-type received() :: {ok, term()}
                  | {error, closed | timeout | empty | invalid_channel
                          | {bad_term, pyport_term:reason()}
                          | {invalid_argument, atom(), binary()}}.
-type deadline() :: infinity | integer().
%% The channel, its segment, the number of its next message and of the one
%% behind its last.
-type position() :: {channel(), First :: non_neg_integer(),
                     Next :: non_neg_integer(), End :: pos_integer(),
                     pyport_channel_segments:content()}.

-define(POSITION, '$pyport_received').

%% @doc Takes the next message, or waits for it.
-spec recv(term(), kind(), term()) -> received().
recv(Channel, Kind, Timeout) ->
    case pyport_args:timeout(Timeout) of
        {ok, _} ->
            case next(Channel, Kind) of
                {ok, Message} ->
                    decode(Kind, Message);
                none ->
                    pyport_channel:at(Channel, Kind, {recv, Timeout, self()})
            end;
        Invalid ->
            Invalid
    end.

%% From where this process received last, if that was here.
-spec next(term(), kind()) -> {ok, binary()} | none.
next(Channel, Kind) ->
    case get(?POSITION) of
        {Channel, _, _, _, _} = Position ->
            case pyport_channel_cells:kind(Channel) of
                Kind -> claim(Position);
                _ -> none
            end;
        _ ->
            none
    end.

-spec try_receive(channel(), kind()) -> received().
try_receive(Cells, Kind) ->
    IsEnded = pyport_channel_cells:is_ended(Cells),
    case take(Cells) of
        {ok, Message} -> decode(Kind, Message);
        none when IsEnded ->
            {error, closed};
        none ->
            case pyport_lanes:find(pyport_channel_cells:key(Cells)) of
                gone -> {error, closed};
                _ -> {error, empty}
            end
    end.

%% @doc The same for a process that may be on another node.
-spec recv(channel(), kind(), timeout(), Caller :: pid()) -> received().
recv(Cells, Kind, Timeout, Caller) ->
    Deadline = case Timeout of
                   infinity -> infinity;
                   _ -> now_ms() + Timeout
               end,
    case Caller of
        _ when node(Caller) =:= node() ->
            take_or_wait(Cells, Kind, Deadline, none);
        _ ->
            Monitor = monitor(process, Caller),
            Result = take_or_wait(Cells, Kind, Deadline, Monitor),
            true = demonitor(Monitor, [flush]),
            Result
    end.

%% Whether more can come is looked at before it is looked whether there is
%% any: in the other order the last message could come in between.
-spec take_or_wait(channel(), kind(), deadline(), none | reference()) ->
          received().
take_or_wait(Cells, Kind, Deadline, Monitor) ->
    IsEnded = pyport_channel_cells:is_ended(Cells),
    case take(Cells) of
        {ok, Message} -> decode(Kind, Message);
        none when IsEnded -> {error, closed};
        none -> wait(Cells, Kind, Deadline, Monitor)
    end.

-spec wait(channel(), kind(), deadline(), none | reference()) -> received().
wait(Cells, Kind, Deadline, Monitor) ->
    case {left(Deadline),
          pyport_lanes:find(pyport_channel_cells:key(Cells))} of
        {_, gone} ->
            {error, closed};
        {0, _} ->
            {error, timeout};
        {Left, {Link, _}} ->
            Number = pyport_channel_cells:number(Cells),
            Reply = monitor(process, Link, [{alias, reply_demonitor}]),
            Link ! {channel, {next, Number, {self(), Reply}}},
            Cancel = {channel, {cancel, Number, {self(), Reply}}},
            case await(Reply, Link, Cancel, Left, Monitor) of
                look -> take_or_wait(Cells, Kind, Deadline, Monitor);
                {message, Message} -> decode(Kind, Message);
                cancelled -> {error, timeout};
                closed -> {error, closed}
            end
    end.

%% A message that was given before the link knew that we gave up is ours.
-spec await(reference(), pid(), term(), timeout(), none | reference()) ->
          look | {message, binary()} | cancelled | closed.
await(Reply, Link, Cancel, Left, Monitor) ->
    receive
        {Reply, Answer} -> Answer;
        {'DOWN', Reply, process, _, _} -> closed;
        {'DOWN', Monitor, process, _, _} ->
            Link ! Cancel,
            await(Reply, Link, Cancel, infinity, none)
    after Left ->
        Link ! Cancel,
        await(Reply, Link, Cancel, infinity, Monitor)
    end.

%% claiming

-spec take(channel()) -> {ok, binary()} | none.
take(Cells) ->
    case get(?POSITION) of
        {Cells, _, _, _, _} = Position -> claim(Position);
        _ -> find(Cells, pyport_channel_cells:claimed(Cells))
    end.

-spec find(channel(), non_neg_integer()) -> {ok, binary()} | none.
find(Cells, Index) ->
    case Index < pyport_channel_cells:arrived(Cells) of
        true ->
            Key = pyport_channel_cells:key(Cells),
            Number = pyport_channel_cells:number(Cells),
            case pyport_channel_segments:find(Key, Number, Index) of
                {First, Count, Content} ->
                    Rest = skip(Index - First, Content),
                    claim({Cells, First, Index, First + Count, Rest});
                none ->
                    find_again(Cells, Key)
            end;
        false ->
            none
    end.

%% Others took it meanwhile, unless it went with a link that was killed.
-spec find_again(channel(), pyport_lanes:key()) -> {ok, binary()} | none.
find_again(Cells, Key) ->
    case pyport_lanes:find(Key) of
        gone -> none;
        _ -> find(Cells, pyport_channel_cells:claimed(Cells))
    end.

-spec skip(non_neg_integer(), pyport_channel_segments:content()) ->
          pyport_channel_segments:content().
skip(0, Content) -> Content;
skip(Count, Content) -> pyport_channel_segments:skip(Count, Content).

-spec claim(position()) -> {ok, binary()} | none.
claim({Cells, First, Next, End, Content}) ->
    case pyport_channel_cells:claim(Cells, Next) of
        ok ->
            {Message, Rest} = pyport_channel_segments:first(Content),
            Sum = pyport_channel_cells:receive_bytes(Cells,
                                                     byte_size(Message)),
            ok = claimed({Cells, First, Next + 1, End, Rest}, Sum),
            {ok, Message};
        Other when Other < End ->
            claim({Cells, First, Other, End, skip(Other - Next, Content)});
        Other ->
            _ = erase(?POSITION),
            find(Cells, Other)
    end.

%% The last one of a segment removes it, and tells the link if it is time.
-spec claimed(position(), non_neg_integer()) -> ok.
claimed({Cells, First, End, End, _}, Sum) ->
    _ = erase(?POSITION),
    Key = pyport_channel_cells:key(Cells),
    Number = pyport_channel_cells:number(Cells),
    ok = pyport_channel_segments:drop(Key, Number, First),
    IsTime = pyport_channel_cells:is_step(Cells, Sum)
        orelse pyport_channel_cells:is_wanted(Cells)
        orelse pyport_channel_cells:is_ended(Cells),
    case IsTime of
        true -> tell_taken(Cells);
        false -> ok
    end;
claimed({Cells, _, _, _, _} = Position, Sum) ->
    _ = put(?POSITION, Position),
    case pyport_channel_cells:is_wanted(Cells)
         andalso pyport_channel_cells:is_step(Cells, Sum) of
        true -> tell_taken(Cells);
        false -> ok
    end.

-spec tell_taken(channel()) -> ok.
tell_taken(Cells) ->
    case pyport_lanes:find(pyport_channel_cells:key(Cells)) of
        {Link, _} ->
            Link ! {channel, {taken, pyport_channel_cells:number(Cells)}},
            ok;
        gone ->
            ok
    end.

-spec decode(kind(), binary()) -> received().
decode(bytes, Message) ->
    {ok, owned(Message)};
decode(terms, Message) ->
    case pyport_term:decode(Message) of
        {ok, _} = Decoded -> Decoded;
        {error, Reason} -> {error, {bad_term, Reason}}
    end.

%% A small part must not keep a whole packet alive.
-spec owned(binary()) -> binary().
owned(Message) ->
    case binary:referenced_byte_size(Message) of
        Kept when Kept > 2 * byte_size(Message) -> binary:copy(Message);
        _ -> Message
    end.

%% @doc How much time is left.
-spec left(deadline()) -> timeout().
left(infinity) -> infinity;
left(Deadline) -> max(0, Deadline - now_ms()).

-spec now_ms() -> integer().
now_ms() -> erlang:monotonic_time(millisecond).
