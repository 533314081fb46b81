%% @private
%% @doc The writing side of a buffer, in the calling process.
%%
%% A write takes its place in the stream first ({@link pyport_cells}), so a
%% limit is kept without asking anybody; then it is sent in pieces, each as
%% soon as the program has room for it. What is called for a buffer of
%% another node is done there.
-module(pyport_buffer).

-export([write/2, close/1, info/1, give_away/3]).
%% For other nodes.
-export([remote/2]).
%% pyport_buffer_new
-export([at/4, answer/1]).

-export_type([reason/0]).

-type buffer() :: pyport_cells:handle().
-type reason() ::
        closed | too_large | no_space | too_many | writer_limit
      | not_owner | invalid_buffer
      | {overloaded, Current :: non_neg_integer(), Max :: pos_integer()}
      | {context_died, term()} | context_destroyed
      | {invalid_argument, atom(), binary()}
      | {invalid_option, term(), binary() | [atom()]}
      | {not_started, pyport} | {unknown_pool, atom()} | timeout
      | {bad_answer, term()}.
-type result() :: ok | {error, reason()}.
-type operation() :: {write, iodata(), Bytes :: non_neg_integer()}
                   | {give_away, Caller :: pid(), NewOwner :: pid()}
                   | close | info.
-type done() :: result() | py_buffer:info().
-type ended() :: closed | reader_closed | no_space | too_large | too_many
               | gone.
-type place() :: {Link :: pid(), none | inet:socket()}.

-define(HEADER_BYTES, 9).
-define(PIECE_BYTES_MAX, 1 bsl 20).
-define(LINK_PIECE_BYTES_MAX, 128 bsl 10).
%% A batch of one: what stands before the bytes in a packet.
-define(PACKET_BYTES, 14).
%% How often the program is told that somebody waits.
-define(PATIENCE_MS, 100).
-define(INFO_MS, 5000).

-define(A_BUFFER, <<"a reference that py_buffer:new/1 gave">>).

%% writing

-spec write(term(), term()) -> result().
write(Buffer, Data) ->
    try iolist_size(Data) of
        Bytes -> done(Buffer, {write, Data, Bytes})
    catch
        error:badarg -> pyport_args:invalid(data, <<"iodata">>)
    end.

-spec close(term()) -> result().
close(Buffer) -> done(Buffer, close).

-spec give_away(term(), pid(), pid()) -> result().
give_away(Buffer, Caller, NewOwner) ->
    done(Buffer, {give_away, Caller, NewOwner}).

-spec info(term()) -> py_buffer:info() | {error, reason()}.
info(Buffer) -> done(Buffer, info).

-spec done(term(), operation()) -> term().
done(Buffer, Operation) ->
    case pyport_cells:is_handle(Buffer) of
        true ->
            run(Operation, Buffer);
        false when is_reference(Buffer), node(Buffer) =/= node() ->
            at(node(Buffer), ?MODULE, remote, [Operation, Buffer]);
        false when is_reference(Buffer) ->
            {error, invalid_buffer};
        false ->
            pyport_args:invalid(buffer, ?A_BUFFER)
    end.

%% @doc Does it on another node. One that does not know us has no such buffer.
-spec at(node(), module(), new_at | remote, [term(), ...]) -> term().
at(Node, Module, Function, Arguments) ->
    try
        erpc:call(Node, Module, Function, Arguments, infinity)
    catch
        error:{erpc, Reason} -> {error, {context_died, Reason}};
        error:{exception, undef, _} -> {error, invalid_buffer}
    end.

%% @doc For a process of another node. The messages of this one must not be
%% on their way any more when that goes on.
-spec remote(operation(), term()) -> done().
remote(Operation, Buffer) ->
    case pyport_cells:is_handle(Buffer) of
        true ->
            Result = run(Operation, Buffer),
            ok = pyport_lane:sync_all(),
            Result;
        false ->
            {error, invalid_buffer}
    end.

-spec run(operation(), buffer()) -> done().
run({write, Data, Bytes}, Cells) -> write(Cells, Data, Bytes);
run({give_away, Caller, New}, Cells) -> give(Cells, Caller, New);
run(close, Cells) -> close_open(Cells);
run(info, Cells) -> info_of(Cells).

-spec write(buffer(), iodata(), non_neg_integer()) -> result().
write(Cells, Data, Bytes) ->
    case {pyport_cells:state(Cells), Bytes} of
        {open, 0} -> ok;
        {open, _} -> reserve(Cells, Data, Bytes);
        {State, _} -> refused(State)
    end.

-spec refused(ended()) ->
          {error, closed | no_space | too_large | too_many
                | {context_died, noproc}}.
refused(gone) -> {error, {context_died, noproc}};
refused(reader_closed) -> {error, closed};
refused(Why) -> {error, Why}.

-spec reserve(buffer(), iodata(), pos_integer()) -> result().
reserve(Cells, Data, Bytes) ->
    case pyport_lanes:find(pyport_cells:key(Cells)) of
        gone ->
            {error, {context_died, noproc}};
        Place ->
            case pyport_cells:reserve(Cells, Bytes) of
                {ok, Position} -> put_at(Position, Data, Bytes, Place, Cells);
                too_large -> {error, too_large}
            end
    end.

%% A write that fits goes as it is; a larger one is cut, without a copy.
-spec put_at(non_neg_integer(), iodata(), pos_integer(), place(), buffer()) ->
          result().
put_at(Position, Data, Bytes, Place, Cells) ->
    case min(pyport_cells:credit(Cells) - Position, piece_max(Place)) of
        Room when Room >= Bytes ->
            send(Data, Bytes, Place, Cells);
        _ ->
            pieces(Position, erlang:iolist_to_iovec(Data), Bytes, Place, Cells)
    end.

-spec piece_max(place()) -> pos_integer().
piece_max({_, Socket}) ->
    Most = case Socket of
               none -> ?LINK_PIECE_BYTES_MAX;
               _ -> ?PIECE_BYTES_MAX
           end,
    min(Most, pyport_link:frame_bytes_max() - ?PACKET_BYTES).

-spec pieces(non_neg_integer(), [binary()], non_neg_integer(), place(),
             buffer()) -> result().
pieces(_, _, 0, _, _) ->
    ok;
pieces(Position, Data, Left, Place, Cells) ->
    Room = min(pyport_cells:credit(Cells) - Position, piece_max(Place)),
    case pyport_cells:state(Cells) of
        open when Room > 0 ->
            {Piece, Rest} = cut(min(Room, Left), Data, []),
            Bytes = min(Room, Left),
            case send(Piece, Bytes, Place, Cells) of
                ok -> pieces(Position + Bytes, Rest, Left - Bytes, Place,
                             Cells);
                {error, _} = Error -> Error
            end;
        open ->
            case await_credit(Position, Place, Cells) of
                wake -> pieces(Position, Data, Left, Place, Cells);
                {error, _} = Error -> Error
            end;
        State ->
            refused(State)
    end.

-spec cut(non_neg_integer(), [binary()], [binary()]) ->
          {[binary()], [binary()]}.
cut(Bytes, [First | Rest], Taken) when byte_size(First) =< Bytes ->
    cut(Bytes - byte_size(First), Rest, [First | Taken]);
cut(0, Rest, Taken) ->
    {lists:reverse(Taken), Rest};
cut(Bytes, [First | Rest], Taken) ->
    <<Head:Bytes/binary, Tail/binary>> = First,
    {lists:reverse(Taken, [Head]), [Tail | Rest]}.

%% The link wakes us for credit, for the end of the buffer and for that of the
%% program. Meanwhile the program is told that somebody waits, again and again:
%% a reader that still read when it was told last may stand still now.
-spec await_credit(non_neg_integer(), place(), buffer()) ->
          wake | {error, reason()}.
await_credit(Position, {Link, _}, Cells) ->
    Number = pyport_cells:number(Cells),
    Reply = monitor(process, Link, [{alias, reply_demonitor}]),
    Link ! {buffer, {credit, Number, {self(), Reply, Position}}},
    awake(Reply, Link, Number).

-spec awake(reference(), pid(), pos_integer()) -> wake | {error, reason()}.
awake(Reply, Link, Number) ->
    receive
        {Reply, Answer} -> Answer;
        {'DOWN', Reply, process, _, Reason} ->
            {error, pyport_link:link_down(Reason)}
    after ?PATIENCE_MS ->
        Link ! {buffer, {wait, Number}},
        awake(Reply, Link, Number)
    end.

%% One piece, within the credit.
-spec send(iodata(), pos_integer(), place(), buffer()) -> result().
send(Data, Bytes, {Link, Socket}, Cells) ->
    Number = pyport_cells:number(Cells),
    case pyport_lane:for_buffer(Link, Socket, Cells, Bytes) of
        link ->
            Entry = [<<(Bytes + ?HEADER_BYTES):32, 16#21, Number:64>>, Data],
            Link ! {buffer_write, pyport_cells:key(Cells), Entry,
                    Bytes + ?HEADER_BYTES + 4},
            told(pyport_lane:casts(Link, Bytes));
        lane ->
            told(gen_tcp:send(Socket, [<<16#21, Number:64>>, Data]));
        {error, _} = Error ->
            told(Error)
    end.

%% A lane that is closed, and a link that starts another program: ours died.
-spec told(ok | {error, term()}) ->
          ok | {error, context_destroyed | {context_died, term()}}.
told(ok) -> ok;
told({error, {context_died, _}} = Error) -> Error;
told({error, context_destroyed} = Error) -> Error;
told({error, _}) -> {error, {context_died, noproc}}.

%% @doc What the link answers, or why it ended.
-spec answer(reference()) -> term().
answer(Reply) ->
    receive
        {Reply, Answer} -> Answer;
        {'DOWN', Reply, process, _, Reason} ->
            {error, pyport_link:link_down(Reason)}
    end.

%% the rest

%% Only the first who closes says so; the link wakes those who wait.
-spec close_open(buffer()) -> ok.
close_open(Cells) ->
    case pyport_cells:leave_open(Cells, closed) of
        true -> close_at(pyport_lanes:find(pyport_cells:key(Cells)), Cells);
        false -> ok
    end.

-spec close_at(gone | place(), buffer()) -> ok.
close_at(gone, _) ->
    ok;
close_at({Link, Socket}, Cells) ->
    Number = pyport_cells:number(Cells),
    Close = <<16#22, Number:64, (pyport_cells:sent(Cells)):64>>,
    case pyport_lane:for_buffer(Link, Socket, Cells, 0) of
        link ->
            Bytes = byte_size(Close),
            Link ! {buffer_write, pyport_cells:key(Cells),
                    [<<Bytes:32>>, Close], Bytes + 4},
            _ = pyport_lane:casts(Link, 0),
            woken(Link, Number);
        lane ->
            _ = gen_tcp:send(Socket, Close),
            woken(Link, Number);
        {error, _} ->
            ok %% the program is gone
    end.

%% Whoever waits to write sees that it is closed.
-spec woken(pid(), pos_integer()) -> ok.
woken(Link, Number) ->
    Link ! {buffer, {close, Number}},
    ok.

-spec give(buffer(), pid(), pid()) -> result().
give(Cells, Caller, NewOwner) ->
    ask(Cells, fun(Number, Reply) ->
                   {give, Number, Reply, Caller, NewOwner}
               end).

-spec ask(buffer(), fun((pos_integer(), reference()) ->
                            pyport_buffers:command())) -> term().
ask(Cells, Command) ->
    case pyport_lanes:find(pyport_cells:key(Cells)) of
        gone ->
            {error, {context_died, noproc}};
        {Link, _} ->
            Reply = monitor(process, Link, [{alias, reply_demonitor}]),
            Link ! {buffer, Command(pyport_cells:number(Cells), Reply)},
            answer(Reply)
    end.

-spec info_of(buffer()) -> py_buffer:info() | {error, reason()}.
info_of(Cells) ->
    case ask(Cells, fun(Number, Reply) -> {owner, Number, Reply} end) of
        {error, _} -> known(context_died, undefined, Cells);
        Owner -> asked(Owner, Cells)
    end.

%% What this process wrote is to be in what it gets.
-spec asked(pid() | undefined, buffer()) ->
          py_buffer:info() | {error, reason()}.
asked(Owner, Cells) ->
    case pyport_lanes:find(pyport_cells:key(Cells)) of
        gone ->
            known(context_died, undefined, Cells);
        {Link, _} ->
            _ = pyport_lane:sync(Link),
            Number = pyport_cells:number(Cells),
            case pyport_link:control(Link, buffer_info, Number, ?INFO_MS) of
                {ok, Info} ->
                    maps:merge(known(open, Owner, Cells), counted(Info));
                {error, no_buffer} ->
                    known(pyport_cells:state(Cells), Owner, Cells);
                {error, {context_died, _}} ->
                    known(context_died, undefined, Cells);
                {error, _} = Error ->
                    Error
            end
    end.

%% The program gives positions.
-spec counted(#{written := integer(), read := integer(), kept := integer(),
                _ => _}) ->
          #{written := integer(), read := integer(), kept := integer(),
            unread := integer(), _ => _}.
counted(#{written := Written, read := Read, kept := Kept} = Info) ->
    Info#{unread => Written - Read, kept => Written - Kept}.

-spec known(atom(), pid() | undefined, buffer()) -> py_buffer:info().
known(State, Owner, Cells) ->
    #{written => pyport_cells:sent(Cells), read => undefined,
      unread => undefined, kept => undefined, state => State,
      content_length => pyport_cells:announced(Cells),
      max_size => pyport_cells:bytes_max(Cells),
      memory_bytes => 0, file_bytes => 0, owner => Owner}.
