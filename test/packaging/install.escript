#!/usr/bin/env escript
%% What `make install` puts elsewhere works there, without the source tree.
-mode(compile).

-define(MAKE_MS, 300000).

main(_) ->
    Root = string:trim(os:cmd("mktemp -d")),
    Install = run("make", ["--no-print-directory", "install",
        "PREFIX=/usr", "DESTDIR=" ++ Root], []),
    check("make install ends with 0", Install),
    Program = filename:join(Root, "usr/bin/pyport"),
    check("the program is on the PATH of the prefix",
        run(Program, ["--version"], [])),
    Libraries = filename:join(Root, "usr/lib/erlang/lib"),
    Expression = "{ok, _} = application:ensure_all_started(pyport),"
        "{ok, 4.0} = py:call(math, sqrt, [16]),"
        "true = lists:prefix(\"" ++ Root ++ "\", code:lib_dir(pyport)),"
        "halt(0).",
    Calls = run("erl", ["-noshell", "-eval", Expression],
        [{"ERL_LIBS", Libraries}]),
    _ = file:del_dir_r(Root),
    check("the installed application calls Python", Calls).

run(Program, Args, Env) ->
    Path = case filename:pathtype(Program) of
        absolute -> Program;
        _ -> os:find_executable(Program)
    end,
    Port = open_port({spawn_executable, Path},
        [{args, Args}, {env, Env}, binary, exit_status, stderr_to_stdout]),
    collect(Port).

collect(Port) ->
    receive
        {Port, {data, Text}} ->
            io:put_chars(Text),
            collect(Port);
        {Port, {exit_status, Status}} ->
            Status =:= 0
    after ?MAKE_MS -> false
    end.

check(Claim, true) ->
    io:format("ok - ~ts~n", [Claim]);
check(Claim, false) ->
    io:format("not ok - ~ts~n", [Claim]),
    halt(1).
