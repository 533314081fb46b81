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
        {"a missing Python package ends with 69 or 71 and is named",
            missing_lib(run(["--lib=/nonexistent/lib"]))},
        {"end of file on the link ends with 0", closed_link()}
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

missing_lib({Status, Text}) ->
    lists:member(Status, [64, 69, 71]) andalso
        names(Status, [<<"/nonexistent/lib">>], {Status, Text}).

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

%% sh keeps the exit status that a closed Erlang port would not tell.
closed_link() ->
    Script = "true | \"$0\" 3<&0 4>/dev/null; echo ended $?",
    Options = [binary, exit_status, stderr_to_stdout, hide,
        {args, ["-c", Script, program()]}],
    Port = open_port({spawn_executable, "/bin/sh"}, Options),
    names(0, [<<"ended 0">>], collect(Port, <<>>)).
