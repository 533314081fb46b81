#!/usr/bin/env escript
%% The program over bare open_port/2: the call of docs/protocol.md, and nothing
%% of the OTP application. PYPORT_PROGRAM names another program.
-mode(compile).

-define(ANSWER_MS, 20000).

main(_) ->
    Program = os:getenv("PYPORT_PROGRAM", "priv/pyport"),
    {ok, _} = timer:apply_after(?ANSWER_MS, erlang, halt, [1]),

    Port = open_port({spawn_executable, Program},
                     [{packet, 4}, binary, nouse_stdio, exit_status]),
    Call = term_to_binary({math, sqrt, [16], #{}}),
    port_command(Port, <<16#10, 1:64, 0:136, Call/binary>>),
    Answer = receive {Port, {data, <<16#80, 1:64, Reply/binary>>}} ->
        binary_to_term(Reply) end,

    check("five lines call Python", Answer =:= 4.0),
    check("a batch of two calls gets both answers", batch(Port)),
    check("an exception names its class and its message", exception(Port)),
    check("an unknown operation ends the program with 65", unknown(Port)).

batch(Port) ->
    One = message(2, {math, sqrt, [4], #{}}),
    Two = message(3, {builtins, str, [<<"three">>], #{}}),
    Batch = [<<16#7F>>, [[<<(size(M)):32>>, M] || M <- [One, Two]]],
    port_command(Port, Batch),
    [{2, 2.0}, {3, <<"three">>}] =:= lists:sort([answer(Port), answer(Port)]).

message(Id, Call) ->
    Term = term_to_binary(Call),
    <<16#10, Id:64, 0:136, Term/binary>>.

answer(Port) ->
    receive
        {Port, {data, <<16#80, Id:64, Term/binary>>}} ->
            {Id, binary_to_term(Term)}
    after ?ANSWER_MS -> none
    end.

exception(Port) ->
    port_command(Port, message(4, {operator, truediv, [1, 0], #{}})),
    receive
        {Port, {data, <<16#81, 4:64, Term/binary>>}} ->
            {Class, Message, _} = binary_to_term(Term),
            {<<"ZeroDivisionError">>, <<"division by zero">>} =:=
                {Class, Message}
    after ?ANSWER_MS -> false
    end.

unknown(Port) ->
    port_command(Port, <<16#66, 5:64>>),
    receive
        {Port, {exit_status, Status}} -> Status =:= 65
    after ?ANSWER_MS -> false
    end.

check(Claim, true) ->
    io:format("ok - ~ts~n", [Claim]);
check(Claim, _) ->
    io:format("not ok - ~ts~n", [Claim]),
    halt(1).
