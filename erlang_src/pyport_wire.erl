%% @private
%% @doc The messages of `docs/protocol.md' as values: a pure codec.
%%
%% The link uses {@link entry/8}, {@link control/3} and {@link batch/1} to
%% write and walks incoming packets by itself, for speed; the readers here
%% serve the tests and whoever wants to look at a packet. Nothing here
%% decodes a term: payloads stay binaries. Channels are in
%% {@link pyport_wire_channel}.
-module(pyport_wire).

%% writing
-export([entry/8, control/3, env_drop/1, batch/1, output/3, answer/3, dying/1]).
-export([buffer/3, buffer_new/2, bulk/1, buffer_event/2]).
%% reading
-export([split/1, request/1, answer/1]).
%% names
-export([op_byte/1, op_name/1]).

-export_type([op/0, request_op/0, run/0, request/0, answer/0]).
-export_type([buffer_op/0, buffer_new/0, buffer_event/0]).

-define(BATCH, 16#7F).

-define(NO_LENGTH, 16#FFFFFFFFFFFFFFFF).

-type op() :: request_op() | ok | exception | output | dying | bulk.
%% `error' is an answer, and no operation to the program.
-type request_op() :: hello | ping | info | cancel | interrupt | context_open
                    | context_close | buffer_info | channel_info | call | eval
                    | exec | env_drop | error.
-type buffer_op() :: buffer_write | buffer_close | buffer_drop | buffer_wait.
-type buffer_new() :: #{retain := unread | all,
                        window := pos_integer(),
                        length := non_neg_integer() | none,
                        bytes_max := non_neg_integer(),
                        overflow_threshold := non_neg_integer(),
                        reference := binary()}.
%% `refused': the reader closed the buffer (3), no space (4), more than
%% `bytes_max' or `length' (5), too many buffers (6).
-type buffer_event() :: {credit, UpTo :: non_neg_integer()}
                      | {refused, Why :: byte()}
                      | forgotten.
-type request() ::
        {control, request_op(), Id :: non_neg_integer(), Term :: binary()}
      | run()
      | {buffer, buffer_op(), Number :: non_neg_integer(), Data :: binary()}
      | {buffer_new, Number :: non_neg_integer(), buffer_new()}
      | pyport_wire_channel:request().
-type run() ::
        {run, request_op(), Id :: non_neg_integer(), Flags :: byte(),
         Context :: non_neg_integer(), Env :: non_neg_integer(),
         TimeoutMs :: non_neg_integer(), Term :: binary()}.
-type answer() ::
        {ok | exception | error, Id :: non_neg_integer(), Term :: binary()}
      | {output, Context :: non_neg_integer(), stdout | stderr, binary()}
      | {dying, Term :: binary()}
      | {bulk, Id :: non_neg_integer()}
      | {buffer, Number :: non_neg_integer(), buffer_event()}
      | pyport_wire_channel:answer().

%% writing

%% @doc One message that runs code, with its length before it, as it stands
%% in a batch. `TimeoutMs' 0 is no limit.
-spec entry(1..255, non_neg_integer(), byte(), non_neg_integer(),
            non_neg_integer(), non_neg_integer(), binary(),
            non_neg_integer()) -> iolist().
entry(Op, Id, Flags, Context, Env, TimeoutMs, Term, TermBytes) ->
    [<<(TermBytes + 26):32, Op, Id:64, Flags, Context:32, Env:64,
       TimeoutMs:32>>, Term].

%% @doc One control message with its length before it.
-spec control(op(), non_neg_integer(), binary()) -> iolist().
control(Op, Id, Term) ->
    [<<(byte_size(Term) + 9):32, (op_byte(Op)), Id:64>>, Term].

%% @doc Forgets an environment of a context, with its length before it.
-spec env_drop({non_neg_integer(), pos_integer()}) -> iolist().
env_drop({Context, Env}) ->
    entry(op_byte(env_drop), 0, 0, Context, Env, 0, <<>>, 0).

%% @doc A packet of entries, each with its length before it.
-spec batch([iodata()]) -> iolist().
batch(Entries) ->
    [?BATCH, Entries].

%% @doc An answer, without a length.
-spec answer(op(), non_neg_integer(), binary()) -> binary().
answer(Op, Id, Term) ->
    <<(op_byte(Op)), Id:64, Term/binary>>.

%% @doc A line of output, without a length.
-spec output(non_neg_integer(), stdout | stderr, binary()) -> binary().
output(Context, stdout, Text) -> <<16#90, Context:64, 1, Text/binary>>;
output(Context, stderr, Text) -> <<16#90, Context:64, 2, Text/binary>>.

%% @doc The program's last message, without a length.
-spec dying(binary()) -> <<_:64, _:_*8>>.
dying(Term) -> <<16#91, 0:64, Term/binary>>.

%% @doc One message about a buffer, with its length before it. Only a
%% `buffer_write' has data.
-spec buffer(buffer_op(), non_neg_integer(), iodata()) -> iolist().
buffer(Op, Number, Data) ->
    [<<(iolist_size(Data) + 9):32, (buffer_op_byte(Op)), Number:64>>, Data].

%% @doc Makes a buffer, with its length before it.
-spec buffer_new(non_neg_integer(), buffer_new()) -> iolist().
buffer_new(Number, #{retain := Retain, window := Window, length := Length,
                     bytes_max := Max, overflow_threshold := Threshold,
                     reference := Reference}) ->
    Size = 38 + byte_size(Reference),
    [<<Size:32, 16#20, Number:64, (retain_byte(Retain)), Window:32,
       (length_number(Length)):64, Max:64, Threshold:64>>, Reference].

%% @doc The place of an answer that comes on the bulk lane, without a length.
-spec bulk(non_neg_integer()) -> <<_:72>>.
bulk(Id) -> <<16#83, Id:64>>.

%% @doc What the program says about a buffer, without a length.
-spec buffer_event(non_neg_integer(), buffer_event()) -> <<_:64, _:_*8>>.
buffer_event(Number, {credit, UpTo}) -> <<16#A0, Number:64, UpTo:64>>;
buffer_event(Number, {refused, Why}) -> <<16#A1, Number:64, Why>>;
buffer_event(Number, forgotten) -> <<16#A2, Number:64>>.

%% reading

%% @doc The messages of a packet, or `error' when it breaks the grammar.
-spec split(binary()) -> {ok, [binary()]} | error.
split(<<?BATCH, Rest/binary>>) -> split(Rest, []);
split(<<>>) -> error;
split(Message) -> {ok, [Message]}.

-spec split(binary(), [binary()]) -> {ok, [binary()]} | error.
split(<<Length:32, Message:Length/binary, Rest/binary>>, Messages)
  when Length > 0, binary_part(Message, 0, 1) =/= <<?BATCH>> ->
    split(Rest, [Message | Messages]);
split(<<>>, Messages) ->
    {ok, lists:reverse(Messages)};
split(_, _) ->
    error.

%% @doc Reads a message to the program.
-spec request(binary()) -> {ok, request()} | error.
request(<<16#20, Number:64, Rest/binary>>) ->
    read_buffer_new(Number, Rest);
request(<<16#21, Number:64, Data/binary>>) ->
    {ok, {buffer, buffer_write, Number, Data}};
request(<<16#22, Number:64, Total:8/binary>>) ->
    {ok, {buffer, buffer_close, Number, Total}};
request(<<16#22, _/binary>>) ->
    error;
request(<<16#23, Number:64>>) -> {ok, {buffer, buffer_drop, Number, <<>>}};
request(<<16#24, Number:64>>) -> {ok, {buffer, buffer_wait, Number, <<>>}};
request(<<16#3:4, _:4, _/binary>> = Message) ->
    pyport_wire_channel:request(Message);
request(<<Op, Id:64, Rest/binary>>) ->
    case op_name(Op) of
        Name when Op < 16#10, Name =/= error ->
            {ok, {control, Name, Id, Rest}};
        Name when Op < 16#14, Name =/= error ->
            run(Name, Id, Rest);
        _ ->
            error
    end;
request(_) ->
    error.

-spec run(request_op(), non_neg_integer(), binary()) ->
          {ok, run()} | error.
run(Name, Id, <<Flags, Context:32, Env:64, TimeoutMs:32, Term/binary>>) ->
    {ok, {run, Name, Id, Flags, Context, Env, TimeoutMs, Term}};
run(_, _, _) ->
    error.

-spec read_buffer_new(non_neg_integer(), binary()) ->
          {ok, {buffer_new, non_neg_integer(), buffer_new()}} | error.
read_buffer_new(Number, <<Retain, Window:32, Length:64, Max:64, Threshold:64,
                          131, _, _/binary>> = Body)
  when Retain < 2, Window >= 65536, Window band (Window - 1) =:= 0 ->
    <<_:29/binary, Reference/binary>> = Body,
    {ok, {buffer_new, Number,
          #{retain => element(Retain + 1, {unread, all}), window => Window,
            length => case Length of ?NO_LENGTH -> none; _ -> Length end,
            bytes_max => Max, overflow_threshold => Threshold,
            reference => Reference}}};
read_buffer_new(_, _) ->
    error.

%% @doc Reads a message from the program.
-spec answer(binary()) -> {ok, answer()} | error.
answer(<<16#80, Id:64, Term/binary>>) -> {ok, {ok, Id, Term}};
answer(<<16#81, Id:64, Term/binary>>) -> {ok, {exception, Id, Term}};
answer(<<16#82, Id:64, Term/binary>>) -> {ok, {error, Id, Term}};
answer(<<16#90, Context:64, 1, Text/binary>>) ->
    {ok, {output, Context, stdout, Text}};
answer(<<16#90, Context:64, 2, Text/binary>>) ->
    {ok, {output, Context, stderr, Text}};
answer(<<16#91, 0:64, Term/binary>>) -> {ok, {dying, Term}};
answer(<<16#83, Id:64>>) -> {ok, {bulk, Id}};
answer(<<16#A0, Number:64, UpTo:64>>) -> {ok, {buffer, Number, {credit, UpTo}}};
answer(<<16#A1, Number:64, Why>>) -> {ok, {buffer, Number, {refused, Why}}};
answer(<<16#A2, Number:64>>) -> {ok, {buffer, Number, forgotten}};
answer(<<16#B:4, _:4, _/binary>> = Message) ->
    pyport_wire_channel:answer(Message);
answer(_) -> error.

%% names

-spec op_byte(op()) -> 1..255.
op_byte(hello) -> 16#01;
op_byte(ping) -> 16#02;
op_byte(info) -> 16#03;
op_byte(cancel) -> 16#04;
op_byte(interrupt) -> 16#05;
op_byte(context_open) -> 16#06;
op_byte(context_close) -> 16#07;
op_byte(buffer_info) -> 16#08;
op_byte(channel_info) -> 16#09;
op_byte(call) -> 16#10;
op_byte(eval) -> 16#11;
op_byte(exec) -> 16#12;
op_byte(env_drop) -> 16#13;
op_byte(ok) -> 16#80;
op_byte(exception) -> 16#81;
op_byte(error) -> 16#82;
op_byte(bulk) -> 16#83;
op_byte(output) -> 16#90;
op_byte(dying) -> 16#91.

%% @doc The name of an operation to the program; `error' for a byte that is
%% none.
-spec op_name(byte()) -> request_op().
op_name(16#01) -> hello;
op_name(16#02) -> ping;
op_name(16#03) -> info;
op_name(16#04) -> cancel;
op_name(16#05) -> interrupt;
op_name(16#06) -> context_open;
op_name(16#07) -> context_close;
op_name(16#08) -> buffer_info;
op_name(16#09) -> channel_info;
op_name(16#10) -> call;
op_name(16#11) -> eval;
op_name(16#12) -> exec;
op_name(16#13) -> env_drop;
op_name(_) -> error.

-spec buffer_op_byte(buffer_op()) -> 16#21..16#24.
buffer_op_byte(buffer_write) -> 16#21;
buffer_op_byte(buffer_close) -> 16#22;
buffer_op_byte(buffer_drop) -> 16#23;
buffer_op_byte(buffer_wait) -> 16#24.

-spec retain_byte(unread | all) -> 0 | 1.
retain_byte(unread) -> 0;
retain_byte(all) -> 1.

-spec length_number(non_neg_integer() | none) -> non_neg_integer().
length_number(none) -> ?NO_LENGTH;
length_number(Length) -> Length.
