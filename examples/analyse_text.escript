#!/usr/bin/env escript
%% Python analyses a text file for Erlang, then crashes, and the node and the
%% next call carry on: escript examples/analyse_text.escript [FILE]
-mode(compile).

-define(DEFAULT_FILE, "/usr/share/common-licenses/GPL-3").
-define(STEP_MS, 60000).

main([]) ->
    main([?DEFAULT_FILE]);
main([File]) ->
    %% Also where the output is no terminal.
    [ok = io:setopts(Device, [{encoding, unicode}])
        || Device <- [standard_io, standard_error]],
    case file:read_file(File) of
        {ok, Text} -> demonstrate(File, Text);
        {error, Posix} -> stop("~ts: ~ts", [File, file:format_error(Posix)])
    end;
main(_) ->
    stop("usage: analyse_text.escript [FILE]", []).

stop(Format, Args) ->
    io:format(standard_error, Format ++ "~n", Args),
    halt(64).

demonstrate(File, Text) ->
    %% This report prints the crash by itself.
    ok = logger:set_primary_config(level, critical),
    Start = start(),
    {StartMs, {ok, Python}} = timed(fun() -> Start(), py:version() end),
    io:format("~ts, ~B bytes~n~ts~n",
        [File, byte_size(Text), first_line(Python)]),
    report(StartMs, "start of pyport to the first answer"),
    analyse(Text),
    crash(),
    ok = application:stop(pyport).

%% Finds the application beside this file, or by ERL_LIBS where installed.
start() ->
    Here = filename:dirname(filename:absname(escript:script_name())),
    Built = filename:join([Here, "..", "_build", "default", "lib", "pyport"]),
    _ = code:add_patha(filename:join(Built, "ebin")),
    ok = application:load(pyport),
    ok = application:set_env(pyport, paths, [filename:join(Here, "python")]),
    fun() -> {ok, _} = application:ensure_all_started(pyport) end.

analyse(Text) ->
    Words = step("re, str: tokenise", tokenise, [Text]),
    Frequent = step("collections: count", count, [Words, 6, 5]),
    Lengths = step("sqlite3: group by length", lengths, [Words]),
    {Raw, Packed} = step("zlib: compress", compress, [Text]),
    Figures = step("statistics: describe", describe, [Words]),
    io:format("~n  ~B words; letters per word: mean ~.2f, median ~.1f,"
        " deviation ~.2f~n", [length(Words) | [maps:get(Key, Figures) ||
            Key <- [<<"mean">>, <<"median">>, <<"deviation">>]]]),
    io:format("  zlib: ~B bytes to ~B~n", [Raw, Packed]),
    list("frequent", [[Word, $\s, integer_to_list(N)]
        || {Word, N} <- Frequent]),
    list("longest", [[Word, $\s, integer_to_list(Letters)]
        || {Letters, _, Word} <- Lengths]).

list(Title, Parts) ->
    io:format("  ~ts: ~ts~n", [Title, lists:join(", ", Parts)]).

step(Title, Function, Args) ->
    {Ms, Result} = timed(fun() ->
        py:call(text_report, Function, Args, #{}, ?STEP_MS) end),
    case Result of
        {ok, Value} ->
            report(Ms, Title),
            Value;
        {error, Reason} ->
            stop("~ts: ~tp", [Title, Reason])
    end.

%% What Python does here would end any process: it ends its own.
crash() ->
    {CrashMs, Answer} = timed(fun() ->
        py:call(text_report, read_address_zero, []) end),
    {error, {context_died, Death}} = Answer,
    #{reason := Reason, name := Name, os_pid := OsPid} = Death,
    io:format("~nPython dereferences a null pointer. The caller gets:~n"
        "  {error, {context_died, #{reason => ~p, name => ~p,"
        " os_pid => ~p}}}~n", [Reason, Name, OsPid]),
    #{python_stack := Stack} = Death,
    io:format("  python_stack:~n~ts", [indented(Stack)]),
    {NextMs, {ok, 4.0}} = timed(fun() -> py:call(math, sqrt, [16]) end),
    report(CrashMs, "the crash, until the caller had this error"),
    report(NextMs, "the next call, in a new process: sqrt(16) = 4.0"),
    {AgainMs, {ok, 5.0}} = timed(fun() -> py:call(math, sqrt, [25]) end),
    report(AgainMs, "and the one after it: sqrt(25) = 5.0").

indented(Text) ->
    Lines = [Line || Line <- string:split(Text, "\n", all), Line =/= <<>>],
    [["    ", Line, "\n"] || Line <- Lines].

first_line(Text) ->
    hd(string:split(Text, "\n")).

timed(Fun) ->
    Started = erlang:monotonic_time(microsecond),
    Result = Fun(),
    {(erlang:monotonic_time(microsecond) - Started) / 1000, Result}.

report(Ms, What) ->
    io:format("  ~9.3f ms  ~ts~n", [Ms, What]).
