%% @private
%% @doc The part of {@link pyport_wire} about channels and processes: a pure
%% codec. What the link writes most it writes by itself
%% ({@link pyport_channel_out}).
-module(pyport_wire_channel).

-export([new/2, message/3, messages_taken/1, process/2]).
-export([event/1, request/1, answer/1]).

-export_type([op/0, new/0, taken/0, request/0, event/0, answer/0, why/0]).

-define(TOTAL_NONE, 16#FFFFFFFFFFFFFFFF).

-type op() :: channel_send | channel_close | channel_drop | channel_wait
            | channel_taken.
-type new() :: #{kind := terms | bytes,
                 bytes_max := non_neg_integer(),
                 reference := binary()}.
%% What processes have taken of a channel: the sum of the sizes, and the count.
-type taken() :: {UpTo :: non_neg_integer(), Count :: non_neg_integer()}.
%% `none' is the total that says that nothing more comes.
-type data() :: iodata() | non_neg_integer() | taken() | none.
-type why() :: python | erlang | too_many.
-type request() ::
        {channel_new, Number :: non_neg_integer(), new()}
      | {channel, op(), Number :: non_neg_integer(), data()}
      | {messages_taken, UpTo :: non_neg_integer()}
      | {process, Key :: non_neg_integer(), IsAlive :: boolean()}.
-type event() :: {message, binary()}
               | {credit, UpTo :: non_neg_integer()}
               | {closed, why()}
               | forgotten
               | wait.
-type answer() ::
        {channel, Number :: non_neg_integer(), event()}
      | {pressure, boolean()}
      | {send, To :: binary(), Term :: binary()}
      | {watch, Key :: non_neg_integer(), Pid :: binary()}
      | {unwatch, Key :: non_neg_integer()}.

%% @doc Makes a channel, with its length before it.
-spec new(non_neg_integer(), new()) -> iolist().
new(Number, #{kind := Kind, bytes_max := Max, reference := Reference}) ->
    with_length(<<16#30, Number:64, (kind_byte(Kind)), Max:64,
                  Reference/binary>>).

%% @doc One message about a channel, with its length before it.
-spec message(op(), non_neg_integer(), data()) -> iolist().
message(channel_send, Number, Data) ->
    with_length([<<16#31, Number:64>>, Data]);
message(channel_close, Number, none) ->
    message(channel_close, Number, ?TOTAL_NONE);
message(channel_close, Number, Total) ->
    with_length(<<16#32, Number:64, Total:64>>);
message(channel_drop, Number, _) ->
    with_length(<<16#33, Number:64>>);
message(channel_wait, Number, _) ->
    with_length(<<16#34, Number:64>>);
message(channel_taken, Number, {UpTo, Count}) ->
    with_length(<<16#35, Number:64, UpTo:64, Count:64>>).

%% @doc What processes were given of SENDs, with its length before it.
-spec messages_taken(non_neg_integer()) -> iolist().
messages_taken(UpTo) ->
    with_length(<<16#36, 0:64, UpTo:64>>).

%% @doc What became of a process, with its length before it.
-spec process(non_neg_integer(), boolean()) -> iolist().
process(Key, true) -> with_length(<<16#37, Key:64, 1>>);
process(Key, false) -> with_length(<<16#37, Key:64, 0>>).

-spec with_length(nonempty_binary() | [iodata(), ...]) -> [iodata(), ...].
with_length(Message) -> [<<(iolist_size(Message)):32>>, Message].

%% @doc What the program says, without a length.
-spec event(answer()) -> binary().
event({channel, Number, {message, Message}}) ->
    <<16#B0, Number:64, Message/binary>>;
event({channel, Number, {credit, UpTo}}) -> <<16#B1, Number:64, UpTo:64>>;
event({channel, Number, {closed, Why}}) ->
    <<16#B2, Number:64, (why_byte(Why))>>;
event({channel, Number, forgotten}) -> <<16#B3, Number:64>>;
event({channel, Number, wait}) -> <<16#B6, Number:64>>;
event({pressure, true}) -> <<16#B7, 0:64, 1>>;
event({pressure, false}) -> <<16#B7, 0:64, 0>>;
event({send, To, Term}) ->
    <<16#B4, 0:64, (byte_size(To)):16, To/binary, Term/binary>>;
event({watch, Key, Pid}) -> <<16#B5, Key:64, Pid/binary>>;
event({unwatch, Key}) -> <<16#B8, Key:64>>.

%% @doc Reads a message to the program.
-spec request(binary()) -> {ok, request()} | error.
request(<<16#30, Number:64, Kind, Max:64, 131, _, _/binary>> = Message)
  when Kind < 2, Number > 0 ->
    <<_:18/binary, Reference/binary>> = Message,
    {ok, {channel_new, Number, #{kind => element(Kind + 1, {terms, bytes}),
                                 bytes_max => Max, reference => Reference}}};
request(<<16#31, Number:64, Data/binary>>) ->
    {ok, {channel, channel_send, Number, Data}};
request(<<16#32, Number:64, ?TOTAL_NONE:64>>) ->
    {ok, {channel, channel_close, Number, none}};
request(<<16#32, Number:64, Total:64>>) ->
    {ok, {channel, channel_close, Number, Total}};
request(<<16#33, Number:64>>) -> {ok, {channel, channel_drop, Number, none}};
request(<<16#34, Number:64>>) -> {ok, {channel, channel_wait, Number, none}};
request(<<16#35, Number:64, UpTo:64, Count:64>>) ->
    {ok, {channel, channel_taken, Number, {UpTo, Count}}};
request(<<16#36, 0:64, UpTo:64>>) -> {ok, {messages_taken, UpTo}};
request(<<16#37, Key:64, Alive>>) when Alive < 2 ->
    {ok, {process, Key, Alive =:= 1}};
request(_) -> error.

%% @doc Reads a message from the program.
-spec answer(binary()) -> {ok, answer()} | error.
answer(<<16#B0, Number:64, Message/binary>>) ->
    {ok, {channel, Number, {message, Message}}};
answer(<<16#B1, Number:64, UpTo:64>>) ->
    {ok, {channel, Number, {credit, UpTo}}};
answer(<<16#B2, Number:64, Why>>) when Why > 0, Why < 4 ->
    {ok, {channel, Number,
          {closed, element(Why, {python, erlang, too_many})}}};
answer(<<16#B3, Number:64>>) -> {ok, {channel, Number, forgotten}};
answer(<<16#B6, Number:64>>) -> {ok, {channel, Number, wait}};
answer(<<16#B7, 0:64, Level>>) when Level < 2 -> {ok, {pressure, Level =:= 1}};
answer(<<16#B4, 0:64, Bytes:16, To:Bytes/binary, Term/binary>>)
  when To =/= <<>>, Term =/= <<>> ->
    {ok, {send, To, Term}};
answer(<<16#B5, Key:64, Pid/binary>>) when Pid =/= <<>> ->
    {ok, {watch, Key, Pid}};
answer(<<16#B8, Key:64>>) -> {ok, {unwatch, Key}};
answer(_) -> error.

-spec kind_byte(terms | bytes) -> 0 | 1.
kind_byte(terms) -> 0;
kind_byte(bytes) -> 1.

-spec why_byte(why()) -> 1..3.
why_byte(python) -> 1;
why_byte(erlang) -> 2;
why_byte(too_many) -> 3.
