%% @private
%% @doc Messages that Python has put into channels and nobody has taken yet.
%%
%% The link cuts them out of packets without decoding them: a segment is up to
%% 64 consecutive messages of a channel, with the number of the first. Those
%% who receive read the table themselves. A segment stays until its last
%% message was claimed, by whoever claimed that.
-module(pyport_channel_segments).

-export([create/0, cut/2, skip/2, add/4, find/3, first/1, drop/3]).
-export([purge/2, purge/1]).

-export_type([content/0]).

%% Entries as they stand in a batch, or one message alone.
-type content() :: binary() | {one, binary()}.

-define(TABLE, ?MODULE).
-define(MESSAGES_MAX, 64).
%% What keeps more than so many times its own bytes alive is copied.
-define(KEPT_MAX, 4).

-spec create() -> ok.
create() ->
    case ets:whereis(?TABLE) of
        undefined ->
            ?TABLE = ets:new(?TABLE, [named_table, public, ordered_set,
                                      {write_concurrency, true}]),
            ok;
        _ ->
            ok
    end.

%% @doc Takes what a batch begins with of messages for this channel: at most
%% one segment. Count 0: it begins with something else.
-spec cut(binary(), pos_integer()) ->
          {Count :: non_neg_integer(), Segment :: binary(), Rest :: binary()}.
cut(Batch, Number) ->
    {Count, Rest} = walk(Batch, Number, 0),
    Bytes = byte_size(Batch) - byte_size(Rest),
    {Count, compact(binary:part(Batch, 0, Bytes)), Rest}.

-spec walk(binary(), pos_integer(), non_neg_integer()) ->
          {non_neg_integer(), binary()}.
walk(<<Size:32, 16#B0, Number:64, _:(Size - 9)/binary, Rest/binary>>, Number,
     Count) when Count < ?MESSAGES_MAX ->
    walk(Rest, Number, Count + 1);
walk(Rest, _, Count) ->
    {Count, Rest}.

-spec compact(binary()) -> binary().
compact(Bytes) ->
    case binary:referenced_byte_size(Bytes) of
        Kept when Kept > ?KEPT_MAX * byte_size(Bytes) -> binary:copy(Bytes);
        _ -> Bytes
    end.

%% @doc Leaves out so many messages.
-spec skip(non_neg_integer(), binary()) -> binary().
skip(0, Content) -> Content;
skip(Count, <<Size:32, _:Size/binary, Rest/binary>>) -> skip(Count - 1, Rest).

%% @doc The first message, and the others.
-spec first(content()) -> {Message :: binary(), content()}.
first({one, Message}) ->
    {Message, <<>>};
first(<<Size:32, _:9/binary, Message:(Size - 9)/binary, Rest/binary>>) ->
    {Message, Rest}.

%% @doc Puts down so many messages, of which the first has this number.
%% REQUIRES: called by the link.
-spec add({pyport_lanes:key(), pos_integer()}, non_neg_integer(),
          pos_integer(), content()) -> ok.
add({Key, Number}, First, Count, Content) ->
    true = ets:insert(?TABLE, {{Key, Number, First}, Count, Content}),
    ok.

%% @doc The segment in which a message is that was not claimed when its number
%% was read.
-spec find(pyport_lanes:key(), pos_integer(), non_neg_integer()) ->
          {First :: non_neg_integer(), Count :: pos_integer(), content()}
        | none.
find(Key, Number, Index) ->
    case ets:lookup(?TABLE, {Key, Number, Index}) of
        [{_, Count, Content}] -> {Index, Count, Content};
        [] -> find_before(Key, Number, Index)
    end.

-spec find_before(pyport_lanes:key(), pos_integer(), non_neg_integer()) ->
          {non_neg_integer(), pos_integer(), content()} | none.
find_before(Key, Number, Index) ->
    case ets:prev(?TABLE, {Key, Number, Index}) of
        {Key, Number, First} = Name ->
            case ets:lookup(?TABLE, Name) of
                [{_, Count, Content}] when Index < First + Count ->
                    {First, Count, Content};
                _ ->
                    none
            end;
        _ ->
            none
    end.

-spec drop(pyport_lanes:key(), pos_integer(), non_neg_integer()) -> ok.
drop(Key, Number, First) ->
    true = ets:delete(?TABLE, {Key, Number, First}),
    ok.

%% @doc Forgets what is left of a channel.
-spec purge(pyport_lanes:key(), pos_integer()) -> ok.
purge(Key, Number) ->
    true = ets:match_delete(?TABLE, {{Key, Number, '_'}, '_', '_'}),
    ok.

%% @doc Forgets what is left of all channels of a program.
-spec purge(pyport_lanes:key()) -> ok.
purge(Key) ->
    true = ets:match_delete(?TABLE, {{Key, '_', '_'}, '_', '_'}),
    ok.
