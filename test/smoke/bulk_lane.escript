#!/usr/bin/env escript
%% The bulk lane of the bare program, by the words of docs/protocol.md alone.
%% PYPORT_PROGRAM names another program.
-mode(compile).

-define(ANSWER_MS, 20000).
-define(WINDOW, 65536).
-define(NO_LENGTH, 16#FFFFFFFFFFFFFFFF).

main(_) ->
    {ok, _} = timer:apply_after(6 * ?ANSWER_MS, erlang, halt, [1]),
    Path = filename:join(tmp_dir(), "pyport-" ++ os:getpid() ++ ".sock"),
    _ = file:delete(Path),
    {ok, Listener} = gen_tcp:listen(0, [local, {ifaddr, {local, Path}}, binary,
        {active, false}, {packet, raw}]),
    Port = open(["--bulk=" ++ Path]),
    {ok, Lane} = gen_tcp:accept(Listener, ?ANSWER_MS),
    ok = file:delete(Path),
    {ok, <<3>>} = gen_tcp:recv(Lane, 1, ?ANSWER_MS),
    ok = inet:setopts(Lane, [{packet, 4}]),
    buffer_on_the_lane(Port, Lane),
    calls_on_the_lane(Port, Lane),
    check("a forked child has neither the link nor the lane",
        exec_and_eval(Port, forked(), <<"forked()">>) =:= 0),
    ok = gen_tcp:close(Lane),
    check("the end of the lane ends the program",
        receive {Port, {exit_status, Status}} -> Status =:= 0
        after ?ANSWER_MS -> false end).

buffer_on_the_lane(Port, Lane) ->
    Ref = make_ref(),
    Chunk = crypto:strong_rand_bytes(300000),
    port_command(Port, new(1, Ref, 3 * 300000)),
    pong = control(Port, <<2, 30:64>>, 30),
    [ok = gen_tcp:send(Lane, [<<16#21, 1:64>>, Chunk]) || _ <- [1, 2, 3]],
    ok = gen_tcp:send(Lane, [<<8, 31:64>>, term_to_binary(1)]),
    Info = answer(Port, 31),
    check("a question on the lane sees what was written there before it",
        900000 =:= maps:get(written, Info)),
    ok = gen_tcp:send(Lane, <<16#23, 1:64>>).

calls_on_the_lane(Port, Lane) ->
    Large = crypto:strong_rand_bytes(1000000),
    Call = call_message(40, {operator, pos, [1], #{}}),
    ok = gen_tcp:send(Lane, Call),
    check("a small call on the lane is answered on the link",
        answer(Port, 40) =:= 1),
    [begin
        ok = gen_tcp:send(Lane, call_message(Id, {copy, copy, [Large], #{}})),
        check("a large answer comes on the lane, its place on the link",
            bulk_answer(Port, Lane, Id) =:= Large)
     end || Id <- [41, 42, 43]].

%% How many pipes and sockets with a number from 900 a child has.
forked() ->
    <<"import os\n"
      "def high():\n"
      "    paths = ['/proc/self/fd/' + n for n in os.listdir('/proc/self/fd')\n"
      "             if int(n) >= 900]\n"
      "    links = [os.readlink(p) for p in paths if os.path.lexists(p)]\n"
      "    return sum(l.startswith(('pipe:', 'socket:')) for l in links)\n"
      "def forked():\n"
      "    assert high() == 3\n"
      "    child = os.fork()\n"
      "    if child == 0:\n"
      "        os._exit(high())\n"
      "    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n">>.

exec_and_eval(Port, Code, Expression) ->
    port_command(Port, [<<16#12, 50:64, 0:136>>, term_to_binary(Code)]),
    ok = answer(Port, 50),
    eval(Port, 51, Expression, #{}).

bulk_answer(Port, Lane, Id) ->
    receive {Port, {data, <<16#83, Id:64>>}} ->
        {ok, <<16#80, Id:64, Term/binary>>} = gen_tcp:recv(Lane, 0, ?ANSWER_MS),
        binary_to_term(Term)
    after ?ANSWER_MS -> none
    end.

%% Messages.

new(Number, Ref, Length) ->
    Reference = term_to_binary(Ref),
    <<16#20, Number:64, 0, ?WINDOW:32, Length:64, ?NO_LENGTH:64, 1048576:64,
      Reference/binary>>.

call_message(Id, Call) ->
    [<<16#10, Id:64, 0:136>>, term_to_binary(Call)].

eval(Port, Id, Code, Locals) ->
    port_command(Port, [<<16#11, Id:64, 0:136>>,
                        term_to_binary({Code, Locals})]),
    answer(Port, Id).

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

open(Arguments) ->
    Program = os:getenv("PYPORT_PROGRAM", "priv/pyport"),
    open_port({spawn_executable, Program},
        [{packet, 4}, binary, nouse_stdio, exit_status, {args, Arguments}]).

tmp_dir() ->
    os:getenv("TMPDIR", "/tmp").

check(Claim, true) ->
    io:format("ok - ~ts~n", [Claim]);
check(Claim, _) ->
    io:format("not ok - ~ts~n", [Claim]),
    halt(1).
