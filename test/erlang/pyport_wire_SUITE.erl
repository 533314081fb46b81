%% The codec: golden vectors, and random messages there and back.
-module(pyport_wire_SUITE).

-compile([export_all, nowarn_export_all]).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [every_golden_vector_to_the_program_is_read_and_written_the_same,
     every_golden_vector_from_the_program_is_read_and_written_the_same,
     every_bad_vector_is_refused,
     random_requests_come_back,
     random_packets_come_back,
     random_bytes_are_read_or_refused].

every_golden_vector_to_the_program_is_read_and_written_the_same(_) ->
    [same(Bytes, fun pyport_wire:request/1) || {"to." ++ _, Bytes} <- golden()].

every_golden_vector_from_the_program_is_read_and_written_the_same(_) ->
    [same(Bytes, fun pyport_wire:answer/1)
     || {"from." ++ _, Bytes} <- golden()].

every_bad_vector_is_refused(_) ->
    [error = bad(Name, Bytes) || {"bad." ++ Name, Bytes} <- golden()].

random_requests_come_back(_) ->
    holds(prop_wire:prop_request()).

random_packets_come_back(_) ->
    holds(prop_wire:prop_packet()).

random_bytes_are_read_or_refused(_) ->
    holds(prop_wire:prop_garbage()).

%% Internal.

holds(Property) ->
    true = proper:quickcheck(Property, [{numtests, 300}, {to_file, user}]).

same(Packet, Read) ->
    {ok, Messages} = pyport_wire:split(Packet),
    Written = [write(element(2, {ok, _} = Read(Message)))
               || Message <- Messages],
    Messages = Written,
    case Packet of
        <<16#7F, _/binary>> ->
            Packet = iolist_to_binary(pyport_wire:batch(
                [[<<(byte_size(M)):32>>, M] || M <- Messages]));
        _ ->
            [Packet] = Messages
    end.

write({control, Op, Id, Term}) ->
    without_length(pyport_wire:control(Op, Id, Term));
write({run, Op, Id, Flags, Context, Env, TimeoutMs, Term}) ->
    without_length(pyport_wire:entry(pyport_wire:op_byte(Op), Id, Flags,
                                     Context, Env, TimeoutMs, Term,
                                     byte_size(Term)));
write({output, Context, Stream, Text}) ->
    pyport_wire:output(Context, Stream, Text);
write({dying, Term}) ->
    pyport_wire:dying(Term);
write({buffer_new, Number, Options}) ->
    without_length(pyport_wire:buffer_new(Number, Options));
write({buffer, Op, Number, Data}) ->
    without_length(pyport_wire:buffer(Op, Number, Data));
write({buffer, Number, Event}) ->
    pyport_wire:buffer_event(Number, Event);
write({channel_new, Number, Options}) ->
    without_length(pyport_wire_channel:new(Number, Options));
write({channel, Op, Number, Data}) ->
    without_length(pyport_wire_channel:message(Op, Number, Data));
write({messages_taken, UpTo}) ->
    without_length(pyport_wire_channel:messages_taken(UpTo));
write({process, Key, IsAlive}) ->
    without_length(pyport_wire_channel:process(Key, IsAlive));
write(Event) when element(1, Event) =:= channel;
                  element(1, Event) =:= pressure;
                  element(1, Event) =:= send;
                  element(1, Event) =:= watch;
                  element(1, Event) =:= unwatch ->
    pyport_wire_channel:event(Event);
write({bulk, Id}) ->
    pyport_wire:bulk(Id);
write({Kind, Id, Term}) ->
    pyport_wire:answer(Kind, Id, Term).

without_length(Entry) ->
    Bytes = iolist_to_binary(Entry),
    <<Size:32, Message:Size/binary>> = Bytes,
    Message.

bad("to_" ++ _, Bytes) -> read(Bytes, fun pyport_wire:request/1);
bad("from_" ++ _, Bytes) -> read(Bytes, fun pyport_wire:answer/1);
bad(_, Bytes) ->
    case read(Bytes, fun pyport_wire:request/1) of
        error -> read(Bytes, fun pyport_wire:answer/1);
        Read -> Read
    end.

read(Packet, Read) ->
    case pyport_wire:split(Packet) of
        {ok, Messages} ->
            case [error || Message <- Messages, Read(Message) =:= error] of
                [] -> {ok, Messages};
                _ -> error
            end;
        error ->
            error
    end.

golden() ->
    File = vectors(filename:dirname(code:which(?MODULE))),
    {ok, Text} = file:read_file(File),
    Lines = string:split(unicode:characters_to_list(Text), "\n", all),
    Golden = [vector(Line) || [First | _] = Line <- Lines, First =/= $#],
    true = length(Golden) > 40,
    Golden.

vector(Line) ->
    [Name, Hex] = string:lexemes(Line, " "),
    {Name, binary:decode_hex(list_to_binary(Hex))}.

vectors("/") ->
    error(no_vectors);
vectors(Dir) ->
    File = filename:join([Dir, "test", "vectors", "frames.txt"]),
    case filelib:is_regular(File) of
        true -> File;
        false -> vectors(filename:dirname(Dir))
    end.
