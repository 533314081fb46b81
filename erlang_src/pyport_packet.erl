%% @private
%% @doc The packet that a link is filling. Pure.
%%
%% It goes out when nothing waits any more or when it is full; a reply to
%% many requests at once would only come late.
-module(pyport_packet).

-export([new/1, fullness/1, fits/2, add/3, take/1]).

-export_type([packet/0]).

-define(MESSAGES_MAX, 32).
-define(BYTES_TARGET, 1 bsl 16).

-record(packet, {
    bytes_max :: pos_integer(),
    %% last first
    messages = [] :: [iodata()],
    count = 0 :: non_neg_integer(),
    %% with the byte that makes it a batch
    bytes = 1 :: pos_integer()
}).
-opaque packet() :: #packet{}.

-spec new(pos_integer()) -> packet().
new(FrameBytesMax) -> #packet{bytes_max = FrameBytesMax}.

-spec fullness(packet()) -> empty | open | full.
fullness(#packet{count = 0}) -> empty;
fullness(#packet{count = Count, bytes = Bytes})
  when Count < ?MESSAGES_MAX, Bytes < ?BYTES_TARGET -> open;
fullness(_) -> full.

%% @doc A message that fits nowhere goes alone: who admitted it checked.
-spec fits(pos_integer(), packet()) -> boolean().
fits(_, #packet{count = 0}) -> true;
fits(More, #packet{bytes = Bytes, bytes_max = Max}) -> Bytes + More =< Max.

%% @doc Adds a message that has its length before it.
-spec add(iodata(), pos_integer(), packet()) -> packet().
add(Message, More, #packet{messages = Messages, count = Count,
                           bytes = Bytes} = Packet) ->
    Packet#packet{messages = [Message | Messages], count = Count + 1,
                  bytes = Bytes + More}.

-spec take(packet()) -> {[iodata() | byte(), ...], packet()}.
take(#packet{messages = Messages, bytes_max = Max}) ->
    {pyport_wire:batch(lists:reverse(Messages)), new(Max)}.
