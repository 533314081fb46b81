%% @private
%% @doc The messages of `docs/protocol.md' as values: a pure codec.
%%
%% The link uses {@link entry/8}, {@link control/3} and {@link batch/1} to
%% write and walks incoming packets by itself, for speed; the readers here
%% serve the tests and whoever wants to look at a packet. Nothing here
%% decodes a term: payloads stay binaries.
-module(pyport_wire).

%% writing
-export([entry/8, control/3, env_drop/1, batch/1, output/3, answer/3, dying/1]).
%% reading
-export([split/1, request/1, answer/1]).
%% names
-export([op_byte/1, op_name/1]).

-export_type([op/0, request_op/0, run/0, request/0, answer/0]).

-define(BATCH, 16#7F).

-type op() :: request_op() | ok | exception | output | dying.
%% `error' is an answer, and no operation to the program.
-type request_op() :: hello | ping | info | cancel | interrupt | context_open
                    | context_close | call | eval | exec | env_drop | error.
-type request() ::
        {control, request_op(), Id :: non_neg_integer(), Term :: binary()}
      | run().
-type run() ::
        {run, request_op(), Id :: non_neg_integer(), Flags :: byte(),
         Context :: non_neg_integer(), Env :: non_neg_integer(),
         TimeoutMs :: non_neg_integer(), Term :: binary()}.
-type answer() ::
        {ok | exception | error, Id :: non_neg_integer(), Term :: binary()}
      | {output, Context :: non_neg_integer(), stdout | stderr, binary()}
      | {dying, Term :: binary()}.

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
op_byte(call) -> 16#10;
op_byte(eval) -> 16#11;
op_byte(exec) -> 16#12;
op_byte(env_drop) -> 16#13;
op_byte(ok) -> 16#80;
op_byte(exception) -> 16#81;
op_byte(error) -> 16#82;
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
op_name(16#10) -> call;
op_name(16#11) -> eval;
op_name(16#12) -> exec;
op_name(16#13) -> env_drop;
op_name(_) -> error.
