#!/usr/bin/env escript
%% The program's command line: what it says about itself, and how it ends.
-mode(compile).

-define(END_MS, 20000).

main(_) ->
    {ok, [{application, pyport, Application}]} =
        file:consult("erlang_src/pyport.app.src"),
    Version = list_to_binary(proplists:get_value(vsn, Application)),
    Checks = [
        {"--help names every option and ends with 0", help(run(["--help"]))},
        {"--version is the application's, and ends with 0",
            names(0, [Version], run(["--version"]))},
        {"an unknown option ends with 64 and is named",
            names(64, [<<"--colour">>], run(["--colour=red"]))},
        {"a value that is no number ends with 64 and is named",
            names(64, [<<"--spin-us">>, <<"soon">>], run(["--spin-us=soon"]))},
        {"an argument that is no option ends with 64 and is named",
            names(64, [<<"script.py">>], run(["script.py"]))},
        {"a missing Python package ends with 69 and is named",
            missing_lib(run_with_closed_link(["--lib=/nonexistent/lib"]))},
        {"no link ends with 64, and how to start it is said",
            names(64, [<<"descriptor 3">>, <<"open_port/2">>], run([]))},
        {"end of file on the link ends with 0",
            names(0, [], run_with_closed_link([]))}
    ],
    [io:format("~ts - ~ts~n", [verdict(Good), Claim])
     || {Claim, Good} <- Checks],
    halt(case lists:all(fun({_, Good}) -> Good end, Checks) of
        true -> 0;
        false -> 1
    end).

verdict(true) -> "ok";
verdict(_) -> "not ok".

help({Status, Text}) ->
    Options = [<<"--stdio">>, <<"--lib">>, <<"--python">>, <<"--memory-limit">>,
        <<"--cpu-limit">>, <<"--kill-after">>, <<"--spin-us">>,
        <<"--switch-interval-us">>, <<"--queue-max">>,
        <<"--frame-bytes-max">>, <<"--python-path">>, <<"--version">>],
    names(0, Options, {Status, Text}).

missing_lib(Ended) ->
    names(69, [<<"erlang">>], Ended).

names(Status, Words, {Status, Text}) ->
    Missing = [Word || Word <- Words, binary:match(Text, Word) =:= nomatch],
    [io:format("# nothing about ~ts in: ~ts~n", [W, Text]) || W <- Missing],
    Missing =:= [];
names(Wanted, _, {Status, Text}) ->
    io:format("# ended with ~p instead of ~p: ~ts~n", [Status, Wanted, Text]),
    false.

program() ->
    os:getenv("PYPORT_PROGRAM", "priv/pyport").

%% Runs the program with its standard streams on a port, without a link.
run(Args) ->
    Options = [binary, exit_status, stderr_to_stdout, hide, {args, Args}],
    collect(open_port({spawn_executable, program()}, Options), <<>>).

collect(Port, Text) ->
    receive
        {Port, {data, More}} -> collect(Port, <<Text/binary, More/binary>>);
        {Port, {exit_status, Status}} -> {Status, Text}
    after ?END_MS -> {still_running, Text}
    end.

%% The link is a pipe whose other end is closed already. An Erlang port that is
%% closed would not tell the exit status; sh does.
run_with_closed_link(Args) ->
    Script = "true | \"$0\" \"$@\" 3<&0 4>/dev/null",
    Options = [binary, exit_status, stderr_to_stdout, hide,
        {args, ["-c", Script, program() | Args]}],
    collect(open_port({spawn_executable, "/bin/sh"}, Options), <<>>).
