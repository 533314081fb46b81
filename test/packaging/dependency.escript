#!/usr/bin/env escript
%% A rebar3 project that depends on pyport gets the program by the hook.
-mode(compile).

-define(BUILD_MS, 600000).

main(_) ->
    Root = string:trim(os:cmd("mktemp -d")),
    ok = consumer(Root),
    check("a project that depends on pyport compiles",
        run("rebar3", ["compile"], Root)),
    Expression = "{ok, _} = application:ensure_all_started(consumer),"
        "4.0 = consumer:root(16), halt(0).",
    Ebins = filelib:wildcard(filename:join(Root, "_build/default/*/*/ebin")),
    Calls = run("erl", ["-noshell", "-pa"] ++ Ebins ++ ["-eval", Expression],
        Root),
    _ = file:del_dir_r(Root),
    check("its code calls Python", Calls).

%% The dependency is a checkout, so nothing is fetched or built twice.
consumer(Root) ->
    {ok, Here} = file:get_cwd(),
    Files = [
        {"rebar.config", "{deps, [pyport]}.\n"},
        {"src/consumer.app.src",
            "{application, consumer, [{vsn, \"1\"},"
            " {applications, [kernel, stdlib, pyport]}]}.\n"},
        {"src/consumer.erl",
            "-module(consumer).\n-export([root/1]).\n"
            "root(N) -> {ok, R} = py:call(math, sqrt, [N]), R.\n"}
    ],
    lists:foreach(
        fun({Name, Text}) ->
            Path = filename:join(Root, Name),
            ok = filelib:ensure_dir(Path),
            ok = file:write_file(Path, Text)
        end,
        Files),
    Checkout = filename:join(Root, "_checkouts/pyport"),
    ok = filelib:ensure_dir(Checkout),
    file:make_symlink(Here, Checkout).

run(Program, Args, Directory) ->
    Port = open_port({spawn_executable, os:find_executable(Program)},
        [{args, Args}, {cd, Directory}, binary, exit_status,
         stderr_to_stdout]),
    collect(Port).

collect(Port) ->
    receive
        {Port, {data, Text}} ->
            io:put_chars(Text),
            collect(Port);
        {Port, {exit_status, Status}} ->
            Status =:= 0
    after ?BUILD_MS -> false
    end.

check(Claim, true) ->
    io:format("ok - ~ts~n", [Claim]);
check(Claim, false) ->
    io:format("not ok - ~ts~n", [Claim]),
    halt(1).
