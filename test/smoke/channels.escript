#!/usr/bin/env escript
%% Channels over the bare program, by the words of docs/protocol.md alone.
%% PYPORT_PROGRAM names another program.
-mode(compile).

-define(ANSWER_MS, 20000).
-define(BYTES_MAX, 1000).
-define(TERMS, 0).
-define(BYTES, 1).

main(_) ->
    {ok, _} = timer:apply_after(6 * ?ANSWER_MS, erlang, halt, [1]),
    Port = open(),
    to_python(Port),
    to_erlang(Port),
    bytes(Port),
    to_processes(Port),
    broken(Port).

to_python(Port) ->
    Ref = make_ref(),
    port_command(Port, new(1, ?TERMS, ?BYTES_MAX, Ref)),
    Sent = [message(1, Term) || Term <- [<<"one">>, 2, [3]]],
    port_command(Port, batch(Sent)),
    check("a call that follows messages takes them in their order",
        eval(Port, 10, <<"[c.receive(), c.receive()]">>, #{c => Ref}) =:=
            [<<"one">>, 2]),
    Info = control(Port, 9, 11, 1),
    check("CHANNEL_INFO says what was taken and what waits",
        {1, 5, 12, false} =:= {maps:get(messages, Info), maps:get(size, Info),
                               maps:get(taken, Info), maps:get(closed, Info)}),
    port_command(Port, <<16#34, 1:64>>),
    check("CREDIT tells what was taken when CHANNEL_WAIT asks for it",
        12 =:= receive {Port, {data, <<16#B1, 1:64, UpTo:64>>}} -> UpTo
               after ?ANSWER_MS -> nothing end),
    check("the reference comes back as itself",
        eval(Port, 12, <<"[c]">>, #{c => Ref}) =:= [Ref]),
    port_command(Port, <<16#32, 1:64, (12 + 5 + 3):64>>),
    check("CHANNEL_CLOSE is answered by CLOSED",
        receive {Port, {data, <<16#B2, 1:64, 2>>}} -> true
        after ?ANSWER_MS -> false end),
    port_command(Port, message(1, 4)),
    check("what comes behind a CHANNEL_CLOSE that counts it is delivered",
        eval(Port, 13, <<"list(c)">>, #{c => Ref}) =:= [[3], 4]),
    port_command(Port, <<16#33, 1:64>>),
    check("after a DROP there is no such channel",
        control(Port, 9, 14, 1) =:= no_channel).

to_erlang(Port) ->
    Ref = make_ref(),
    port_command(Port, new(2, ?TERMS, 7, Ref)),
    check("there is room for what the limit allows and for no more",
        eval(Port, 20, <<"[c.try_send(n) for n in (1, 2, 3)]">>,
            #{c => Ref}) =:= [true, true, false]),
    check("messages come as they were sent",
        [1, 2] =:= [receive {Port, {data, <<16#B0, 2:64, Term/binary>>}} ->
                        binary_to_term(Term)
                    after ?ANSWER_MS -> nothing end || _ <- [1, 2]]),
    port_command(Port, <<16#35, 2:64, 6:64, 2:64>>),
    check("CHANNEL_TAKEN makes room",
        eval(Port, 21, <<"c.send(3, 20000)">>, #{c => Ref}) =:= none),
    check("Python closes: CLOSED comes behind the last message",
        eval(Port, 22, <<"c.close()">>, #{c => Ref}) =:= none andalso
            [<<16#B0, 2:64, 131, 97, 3>>, <<16#B2, 2:64, 1>>] =:=
                [receive {Port, {data, <<Kind, 2:64, _/binary>> = Message}}
                    when Kind =:= 16#B0; Kind =:= 16#B2 -> Message
                 after ?ANSWER_MS -> nothing end || _ <- [1, 2]]),
    port_command(Port, <<16#32, 2:64, 0:64>>),
    port_command(Port, <<16#33, 2:64>>).

bytes(Port) ->
    Ref = make_ref(),
    port_command(Port, new(3, ?BYTES, 0, Ref)),
    port_command(Port, <<16#31, 3:64>>),
    port_command(Port, <<16#31, 3:64, 255, 0>>),
    %% The empty message weighs 1.
    port_command(Port, <<16#32, 3:64, 3:64>>),
    check("an empty message is a message",
        eval(Port, 30, <<"list(c)">>, #{c => Ref}) =:= [<<>>, <<255, 0>>]),
    port_command(Port, <<16#33, 3:64>>).

to_processes(Port) ->
    Send = <<"__import__('erlang').send(p, 5)">>,
    port_command(Port, eval_message(40, Send, #{p => self()})),
    Pid = tl(binary_to_list(term_to_binary(self()))),
    Watched = receive {Port, {data, <<16#B5, Key:64, Asked/binary>>}} ->
        port_command(Port, <<16#37, Key:64, 1>>),
        binary_to_list(Asked)
    after ?ANSWER_MS -> nothing end,
    check("the program asks about a process before it sends to it",
        Watched =:= Pid),
    Bytes = length(Pid),
    check("SEND names the process",
        receive {Port, {data, <<16#B4, 0:64, Bytes:16, To:Bytes/binary,
                                131, 97, 5>>}} -> binary_to_list(To) =:= Pid
        after ?ANSWER_MS -> false end),
    check("and the call ends", answer(Port, 40) =:= none).

broken(Port) ->
    port_command(Port, <<16#30, 4:64, 7, 0:64, 131, 106>>),
    check("a kind that is none ends the program with 65",
        receive {Port, {exit_status, Status}} -> Status =:= 65
        after ?ANSWER_MS -> false end).

%% Messages.

new(Number, Kind, BytesMax, Ref) ->
    Reference = term_to_binary(Ref),
    <<16#30, Number:64, Kind, BytesMax:64, Reference/binary>>.

message(Number, Term) ->
    Message = term_to_binary(Term),
    <<16#31, Number:64, Message/binary>>.

eval(Port, Id, Code, Locals) ->
    port_command(Port, eval_message(Id, Code, Locals)),
    answer(Port, Id).

eval_message(Id, Code, Locals) ->
    [<<16#11, Id:64, 0:136>>, term_to_binary({Code, Locals})].

batch(Messages) ->
    [16#7F | [[<<(iolist_size(M)):32>>, M] || M <- Messages]].

control(Port, Operation, Id, Number) ->
    Term = term_to_binary(Number),
    port_command(Port, <<Operation, Id:64, Term/binary>>),
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
