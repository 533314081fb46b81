#!/usr/bin/env escript
%% The program dies with the BEAM: a BEAM of its own starts it, Python holds
%% the GIL in a loop in C, and that BEAM is killed.
%%
%% Python holds the writing end of a named pipe. The kernel closes it when the
%% program dies, and only then does `cat` at the other end see end of file.
-mode(compile).

-define(START_MS, 20000).
-define(DEATH_MS, 10000).

main(_) ->
    Fifo = fifo(),
    Cat = open_port({spawn_executable, os:find_executable("cat")},
        [{args, [Fifo]}, binary, exit_status]),
    Beam = beam(Fifo),
    {os_pid, BeamPid} = erlang:port_info(Beam, os_pid),
    Looping = receive {Cat, {data, <<"looping">>}} -> true
        after ?START_MS -> false end,
    os:cmd("kill -KILL " ++ integer_to_list(BeamPid)),
    check("Python runs in a loop that never returns", Looping),
    Dead = receive {Cat, {exit_status, 0}} -> true
        after ?DEATH_MS -> false end,
    file:del_dir_r(filename:dirname(Fifo)),
    check("it dies when the BEAM is killed", Dead).

fifo() ->
    Directory = string:trim(os:cmd("mktemp -d")),
    Fifo = filename:join(Directory, "held"),
    "" = os:cmd("mkfifo " ++ Fifo),
    Fifo.

%% A BEAM that starts the program and waits.
beam(Fifo) ->
    Code = unicode:characters_to_binary([
        "import os; held = os.open('", Fifo, "', os.O_WRONLY);"
        "os.write(held, b'looping'); sum(range(1 << 62))"]),
    Payload = term_to_binary(Code),
    Packet = <<16#12, 1:64, 0:136, Payload/binary>>,
    Program = filename:absname(os:getenv("PYPORT_PROGRAM", "priv/pyport")),
    Expression = io_lib:format(
        "P = open_port({spawn_executable, ~p},"
        " [{packet, 4}, binary, nouse_stdio]),"
        "port_command(P, ~w), receive never -> ok end.",
        [Program, Packet]),
    open_port({spawn_executable, os:find_executable("erl")},
        [{args, ["-noshell", "-noinput", "-eval", lists:flatten(Expression)]},
         exit_status]).

check(Claim, true) ->
    io:format("ok - ~ts~n", [Claim]);
check(Claim, false) ->
    io:format("not ok - ~ts~n", [Claim]),
    halt(1).
