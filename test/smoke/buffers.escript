#!/usr/bin/env escript
%% Buffers over the bare program, by the words of docs/protocol.md alone: the
%% link, and the bulk lane as a unix socket. PYPORT_PROGRAM names another
%% program.
-mode(compile).

-define(ANSWER_MS, 20000).
-define(WINDOW, 65536).
-define(NO_LENGTH, 16#FFFFFFFFFFFFFFFF).

main(_) ->
    {ok, _} = timer:apply_after(6 * ?ANSWER_MS, erlang, halt, [1]),
    over_the_link(),
    over_the_bulk_lane().

over_the_link() ->
    Port = open([]),
    Ref = make_ref(),
    port_command(Port, new(1, Ref, ?NO_LENGTH)),
    port_command(Port, <<16#21, 1:64, "line one\nline">>),
    check("a call that follows a write reads it",
        eval(Port, 10, <<"b.read(100)">>, #{b => Ref}) =:=
            <<"line one\nline">>),
    port_command(Port, <<16#21, 1:64, " two">>),
    port_command(Port, <<16#22, 1:64>>),
    check("after the close a read ends with what was left",
        eval(Port, 11, <<"b.read() + b.read()">>, #{b => Ref}) =:= <<" two">>),
    Info = info(Port, 12, 1),
    check("BUFFER_INFO says that it ended, and where it stands",
        {ended, 17, 17} =:= {maps:get(state, Info), maps:get(read, Info),
                             maps:get(written, Info)}),
    check("the reference comes back as itself",
        eval(Port, 13, <<"[b]">>, #{b => Ref}) =:= [Ref]),
    port_command(Port, <<16#23, 1:64>>),
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

over_the_bulk_lane() ->
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
    Code = <<"__import__('hashlib').sha256(b.read()).digest()">>,
    ok = gen_tcp:send(Lane, [<<16#11, 31:64, 0:136>>,
                             term_to_binary({Code, #{b => Ref}})]),
    check("an evaluation on the lane reads what was written there before it",
        answer(Port, 31) =:= crypto:hash(sha256, [Chunk, Chunk, Chunk])),
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
