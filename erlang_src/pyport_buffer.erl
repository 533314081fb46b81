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
-define(WAITING_MAX, 1024).

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
            pyport_object:at(node(Buffer), ?MODULE, remote,
                             [Operation, Buffer], invalid_buffer);
        false when is_reference(Buffer) ->
            {error, invalid_buffer};
        false ->
            pyport_args:invalid(buffer, ?A_BUFFER)
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
        {open, _} -> put(Cells, Data, Bytes);
        {State, _} -> refused(State)
    end.

-spec refused(ended()) ->
          {error, closed | no_space | too_large | too_many
                | {context_died, noproc}}.
refused(gone) -> {error, {context_died, noproc}};
refused(reader_closed) -> {error, closed};
refused(Why) -> {error, Why}.

%% What can take long is done before a place is taken, or under the flag of
%% {@link pyport_writers}: who dies after that leaves a hole.
-spec put(buffer(), iodata(), pos_integer()) -> result().
put(Cells, Data, Bytes) ->
    case pyport_lanes:find(pyport_cells:key(Cells)) of
        gone ->
            {error, {context_died, noproc}};
        {Link, Socket} = Place ->
            Lane = pyport_lane:for_buffer(Link, Socket, Cells, Bytes),
            put_on(Lane, Data, Bytes, Place, Cells)
    end.

-spec put_on(pyport_lane:choice(), iodata(), pos_integer(), place(),
             buffer()) -> result().
put_on({error, _} = Error, _, _, Place, Cells) ->
    told(Error, Place, Cells);
put_on(Lane, Data, Bytes, Place, Cells) ->
    case Lane =:= link andalso Bytes =< piece_max(Place)
         andalso pyport_cells:reserve(Cells, Bytes,
                                      pyport_cells:credit(Cells)) of
        {ok, _} -> send_on(link, Data, Bytes, Place, Cells);
        too_large -> {error, too_large};
        _ -> put_flagged(Lane, Data, Bytes, Place, Cells)
    end.

-spec put_flagged(link | lane, iodata(), pos_integer(), place(), buffer()) ->
          result().
put_flagged(Lane, Data, Bytes, {Link, _} = Place, Cells) ->
    Flag = pyport_writers:enter(Link, buffer,
                                pyport_cells:number(Cells), Bytes),
    Credit = pyport_cells:credit(Cells),
    Result = case pyport_cells:reserve(Cells, Bytes, Credit) of
                 {ok, Position} ->
                     put_at(Position, Lane, Data, Bytes, Place, Cells);
                 too_large ->
                     {error, too_large};
                 no_room ->
                     put_waiting(Data, Bytes, Place, Cells)
             end,
    ok = pyport_writers:leave(Flag),
    Result.

%% A write that fits goes as it is; a larger one is cut, without a copy.
-spec put_at(non_neg_integer(), link | lane, iodata(), pos_integer(),
             place(), buffer()) -> result().
put_at(Position, Lane, Data, Bytes, Place, Cells) ->
    case piece_max(Place) of
        Max when Max >= Bytes ->
            send_on(Lane, Data, Bytes, Place, Cells);
        _ ->
            pieces(Position, erlang:iolist_to_iovec(Data), Bytes, Place, Cells)
    end.

%% It will have to wait, and has its turn when it has its place.
-spec put_waiting(iodata(), pos_integer(), place(), buffer()) -> result().
put_waiting(Data, Bytes, Place, Cells) ->
    case pyport_cells:start_waiting(Cells, ?WAITING_MAX) of
        true ->
            Pieces = erlang:iolist_to_iovec(Data),
            Result = case pyport_cells:reserve(Cells, Bytes, infinity) of
                         {ok, Position} ->
                             pieces(Position, Pieces, Bytes, Place, Cells);
                         too_large ->
                             {error, too_large}
                     end,
            ok = pyport_cells:end_waiting(Cells),
            Result;
        false ->
            {error, writer_limit}
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
        gone ->
            died(Place, Cells);
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
-spec send([binary()], pos_integer(), place(), buffer()) -> result().
send(Data, Bytes, {Link, Socket} = Place, Cells) ->
    Lane = pyport_lane:for_buffer(Link, Socket, Cells, Bytes),
    send_on(Lane, Data, Bytes, Place, Cells).

-spec send_on(pyport_lane:choice(), iodata(), pos_integer(), place(),
              buffer()) -> result().
send_on(link, Data, Bytes, {Link, _} = Place, Cells) ->
    Number = pyport_cells:number(Cells),
    Entry = [<<(Bytes + ?HEADER_BYTES):32, 16#21, Number:64>>, Data],
    Link ! {buffer_write, pyport_cells:key(Cells), Entry,
            Bytes + ?HEADER_BYTES + 4},
    told(pyport_lane:casts(Link, Bytes), Place, Cells);
send_on(lane, Data, _, {_, Socket} = Place, Cells) ->
    Number = pyport_cells:number(Cells),
    told(gen_tcp:send(Socket, [<<16#21, Number:64>>, Data]), Place, Cells);
send_on({error, _} = Error, _, _, Place, Cells) ->
    told(Error, Place, Cells).

%% A lane that is closed, and a link that starts another program: ours died.
-spec told(ok | {error, term()}, place(), buffer()) -> result().
told(ok, _, _) -> ok;
told({error, {context_died, noproc}}, Place, Cells) -> died(Place, Cells);
told({error, {context_died, _}} = Error, _, _) -> Error;
told({error, context_destroyed} = Error, _, _) -> Error;
told({error, _}, Place, Cells) -> died(Place, Cells).

%% The link says of what its program died, when it knows.
-spec died(place(), buffer()) -> {error, reason()}.
died({Link, _}, Cells) ->
    Number = pyport_cells:number(Cells),
    case pyport_object:ask(Link, buffer,
                           fun(Reply) ->
                               {credit, Number, {self(), Reply, infinity}}
                           end) of
        wake -> refused(pyport_cells:state(Cells));
        {error, _} = Error -> Error
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
            _ = pyport_lane:casts(Link, Bytes - ?HEADER_BYTES),
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
            Number = pyport_cells:number(Cells),
            pyport_object:ask(Link, buffer,
                              fun(Reply) -> Command(Number, Reply) end)
    end.

-spec info_of(buffer()) -> py_buffer:info() | {error, reason()}.
info_of(Cells) ->
    case ask(Cells, fun(Number, Reply) -> {owner, Number, Reply} end) of
        {error, _} -> pyport_buffer_info:of_dead(Cells);
        Owner -> pyport_buffer_info:of_owned(Owner, Cells)
    end.
