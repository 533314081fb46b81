#!/usr/bin/env escript
%% The golden vectors of test/vectors, sent as they are to the bare program: it
%% gives the answers that the same file spells, and ends at each broken packet.
-mode(compile).

-define(ANSWER_MS, 20000).

main(_) ->
    Vectors = vectors(),
    Answered = [answered(Pair, Vectors) || Pair <- pairs()],
    Broken = [ends(Name, Packet) || {Name, Packet} <- Vectors, is_bad(Name)],
    halt(case lists:all(fun(Good) -> Good end, Answered ++ Broken) of
        true -> 0;
        false -> 1
    end).

%% A packet to the program and what comes back.
pairs() ->
    [
        {"to.ping", ["from.pong"]},
        {"to.call", ["from.ok"]},
        {"to.batch_one", ["from.pong"]},
        %% Its CANCEL comes before the CALL is answered.
        {"to.batch", ["from.pong"]}
    ].

vectors() ->
    {ok, Text} = file:read_file("test/vectors/frames.txt"),
    Lines = string:lexemes(binary_to_list(Text), "\n"),
    [begin
        [Name, Hex] = string:lexemes(Line, " "),
        {Name, binary:decode_hex(list_to_binary(Hex))}
     end || Line <- Lines, hd(Line) =/= $#].

%% What breaks the link towards the BEAM only is not for the program.
is_bad("bad.from" ++ _) -> false;
is_bad("bad." ++ _) -> true;
is_bad(_) -> false.

answered({Request, Expected}, Vectors) ->
    Port = open(),
    port_command(Port, proplists:get_value(Request, Vectors)),
    Got = lists:sort([meaning(receive_packet(Port)) || _ <- Expected]),
    close(Port),
    Wanted = lists:sort([meaning(proplists:get_value(Name, Vectors))
        || Name <- Expected]),
    verdict(Got =:= Wanted,
        [Request, " is answered by ", lists:join(" and ", Expected)], Got).

%% Terms are compared as terms: OTP 25 and 26 write atoms differently.
meaning(<<Operation, Id:64, Term/binary>>) ->
    {Operation, Id, binary_to_term(Term)};
meaning(Other) ->
    Other.

ends(Name, Packet) ->
    Port = open(),
    port_command(Port, Packet),
    Got = receive_packet(Port),
    Claim = [Name, " ends the program with 65"],
    verdict(Got =:= {exit_status, 65}, Claim, Got).

open() ->
    Program = os:getenv("PYPORT_PROGRAM", "priv/pyport"),
    open_port({spawn_executable, Program},
        [{packet, 4}, binary, nouse_stdio, exit_status]).

%% A program that has ended has closed its port.
close(Port) ->
    erlang:port_info(Port) =:= undefined orelse port_close(Port).

receive_packet(Port) ->
    receive
        {Port, {data, Packet}} -> Packet;
        {Port, {exit_status, _} = Ended} -> Ended
    after ?ANSWER_MS -> nothing
    end.

verdict(true, Claim, _) ->
    io:format("ok - ~ts~n", [Claim]),
    true;
verdict(false, Claim, Got) ->
    io:format("not ok - ~ts: ~p~n", [Claim, Got]),
    false.
