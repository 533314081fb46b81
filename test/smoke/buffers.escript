#!/usr/bin/env escript
%% Buffers over the bare program, by the words of docs/protocol.md alone.
%% PYPORT_PROGRAM names another program.
-mode(compile).

-define(ANSWER_MS, 20000).
-define(WINDOW, 65536).
-define(NO_LENGTH, 16#FFFFFFFFFFFFFFFF).

main(_) ->
    {ok, _} = timer:apply_after(6 * ?ANSWER_MS, erlang, halt, [1]),
    over_the_link().

over_the_link() ->
    Port = open(),
    Ref = make_ref(),
    port_command(Port, new(1, Ref, ?NO_LENGTH)),
    port_command(Port, <<16#21, 1:64, "line one\nline">>),
    check("a call that follows a write reads it",
        eval(Port, 10, <<"b.read(100)">>, #{b => Ref}) =:=
            <<"line one\nline">>),
    port_command(Port, <<16#21, 1:64, " two">>),
    port_command(Port, <<16#22, 1:64, 17:64>>),
    check("after the close a read ends with what was left",
        eval(Port, 11, <<"b.read() + b.read()">>, #{b => Ref}) =:= <<" two">>),
    Info = info(Port, 12, 1),
    check("BUFFER_INFO says that it ended, and where it stands",
        {ended, 17, 17} =:= {maps:get(state, Info), maps:get(read, Info),
                             maps:get(written, Info)}),
    check("the reference comes back as itself",
        eval(Port, 13, <<"[b]">>, #{b => Ref}) =:= [Ref]),
    port_command(Port, batch([eval_message(16, <<"b.read()">>, #{b => Ref}),
                              <<16#23, 1:64>>])),
    check("a request that came before a DROP still finds the buffer",
        answer(Port, 16) =:= <<>>),
    check("after a DROP there is no such buffer",
        info(Port, 14, 1) =:= no_buffer),
    check("INFO counts the buffers",
        maps:get(buffers, control(Port, <<3, 15:64>>, 15)) =:= 0),
    credit(Port),
    broken(Port).

%% A reader that has taken the window lets the writer go on.
credit(Port) ->
    Ref = make_ref(),
    port_command(Port, new(2, Ref, ?NO_LENGTH)),
    port_command(Port, [<<16#21, 2:64>>, binary:copy(<<"x">>, ?WINDOW)]),
    check("a reader takes the whole window",
        eval(Port, 20, <<"len(b.read(65536))">>, #{b => Ref}) =< ?WINDOW),
    check("and the writer gets credit beyond it",
        receive {Port, {data, <<16#A0, 2:64, UpTo:64>>}} -> UpTo > ?WINDOW
        after ?ANSWER_MS -> false end),
    check("a reader that closes has the writer told",
        eval(Port, 21, <<"b.close()">>, #{b => Ref}) =:= none
            andalso receive {Port, {data, <<16#A1, 2:64, 3>>}} -> true
                    after ?ANSWER_MS -> false end),
    port_command(Port, <<16#23, 2:64>>).

broken(Port) ->
    port_command(Port, <<16#20, 3:64, 0, 1000:32, 0:192, 131, 106>>),
    check("a window that is no power of two ends the program with 65",
        receive {Port, {exit_status, Status}} -> Status =:= 65
        after ?ANSWER_MS -> false end).

%% Messages.

new(Number, Ref, Length) ->
    Reference = term_to_binary(Ref),
    <<16#20, Number:64, 0, ?WINDOW:32, Length:64, ?NO_LENGTH:64, 1048576:64,
      Reference/binary>>.

eval(Port, Id, Code, Locals) ->
    port_command(Port, eval_message(Id, Code, Locals)),
    answer(Port, Id).

eval_message(Id, Code, Locals) ->
    [<<16#11, Id:64, 0:136>>, term_to_binary({Code, Locals})].

batch(Messages) ->
    [16#7F | [[<<(iolist_size(M)):32>>, M] || M <- Messages]].

info(Port, Id, Number) ->
    Term = term_to_binary(Number),
    control(Port, <<8, Id:64, Term/binary>>, Id).

control(Port, Message, Id) ->
    port_command(Port, Message),
    answer(Port, Id).

answer(Port, Id) ->
    receive
        {Port, {data, <<Kind, Id:64, Term/binary>>}}
          when Kind >= 16#80, Kind =< 16#82 ->
            binary_to_term(Term)
    after ?ANSWER_MS -> nothing
    end.

open() ->
    Program = os:getenv("PYPORT_PROGRAM", "priv/pyport"),
    open_port({spawn_executable, Program},
        [{packet, 4}, binary, nouse_stdio, exit_status]).

check(Claim, true) ->
    io:format("ok - ~ts~n", [Claim]);
check(Claim, _) ->
    io:format("not ok - ~ts~n", [Claim]),
    halt(1).
