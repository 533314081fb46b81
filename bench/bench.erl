%% Runs the benchmarks and prints every figure as a JSON line, then all of them
%% as a table: what was measured, the bar and the aim of the project, and the
%% figure of the committed baseline. Started by scripts/bench.
%%
%% A benchmark is a function that answers figures; each that has a bare echo
%% port as its measure runs that port itself, in the same minute.
-module(bench).

-export([main/0]).

-define(RESULTS, "build/bench/results.jsonl").
-define(BASELINE, "bench/baseline.jsonl").

-type entry() :: {string(), fun(() -> [bench_figure:figure()])}.

-spec main() -> no_return().
main() ->
    %% A restart is measured here, not reported.
    ok = logger:set_primary_config(level, critical),
    Status =
        case init:get_plain_arguments() of
            [Chosen | _] -> chosen(string:tokens(Chosen, ","));
            [] -> chosen(["all"])
        end,
    halt(Status).

-spec chosen([string()]) -> 0 | 1 | 64.
chosen(["all"]) ->
    run(benchmarks());
chosen(Names) ->
    Known = benchmarks(),
    case [Name || Name <- Names, not is_known(Name, Known)] of
        [] ->
            run([E || {Name, _} = E <- Known, is_wanted(Name, Names)]);
        [Unknown | _] ->
            All = lists:join(" ", [Name || {Name, _} <- Known]),
            io:format(standard_error, "no benchmark ~ts; there are: ~ts~n", [
                Unknown, All
            ]),
            64
    end.

-spec is_known(string(), [entry()]) -> boolean().
is_known(Wanted, Known) ->
    lists:any(fun({Name, _}) -> is_wanted(Name, [Wanted]) end, Known).

%% `channels' stands for all of `channels-...'.
-spec is_wanted(string(), [string()]) -> boolean().
is_wanted(Name, Names) ->
    [Group | _] = string:split(Name, "-"),
    lists:member(Name, Names) orelse lists:member(Group, Names).

-spec benchmarks() -> [entry()].
benchmarks() ->
    [
        {"start", fun bench_life:start/0},
        {"latency", fun bench_calls:latency/0},
        {"load", fun bench_calls:load/0},
        {"beside", fun bench_calls:beside/0},
        {"terms", fun bench_terms:there_and_back/0},
        {"stream", fun bench_buffers:stream/0},
        {"bodies", fun bench_buffers:bodies/0},
        {"bounded", fun bench_buffers_held:bounded/0},
        {"many", fun bench_buffers_held:many/0},
        {"channels-rate", fun bench_channels:rate/0},
        {"channels-many", fun bench_channels:many/0},
        {"channels-queued", fun bench_channels:queued/0},
        {"channels-ping", fun bench_channels_trip:ping/0},
        {"channels-back", fun bench_channels_back:back/0},
        {"channels-bytes", fun bench_channels:bytes/0},
        {"channels-async", fun bench_channels_trip:async/0},
        {"parallel", fun bench_life:parallel/0},
        {"restart", fun bench_life:restart/0},
        {"memory", fun bench_life:memory/0},
        {"idle", fun bench_life:idle/0},
        {"soak", fun bench_terms:soak/0}
    ].

-spec run([entry()]) -> 0 | 1.
run(Entries) ->
    ok = filelib:ensure_dir(?RESULTS),
    {ok, File} = file:open(?RESULTS, [write, {encoding, utf8}]),
    Results = [{Name, measure(File, Entry)} || {Name, _} = Entry <- Entries],
    ok = file:close(File),
    Figures = lists:append([Measured || {_, {ok, Measured}} <- Results]),
    bench_figure:print_table(Figures, ?BASELINE),
    case [Name || {Name, error} <- Results] of
        [] ->
            0;
        Broken ->
            io:format("broke off: ~ts~n", [lists:join(" ", Broken)]),
            1
    end.

-spec measure(file:io_device(), entry()) ->
    {ok, [bench_figure:figure()]} | error.
measure(File, {Name, Run}) ->
    {Pid, Ref} = spawn_monitor(fun() -> exit({figures, Run()}) end),
    receive
        {'DOWN', Ref, process, Pid, {figures, Figures}} ->
            Lines = [bench_figure:json(Name, Figure) || Figure <- Figures],
            ok = io:put_chars(Lines),
            ok = io:put_chars(File, Lines),
            _ = application:stop(pyport),
            {ok, Figures};
        {'DOWN', Ref, process, Pid, Reason} ->
            io:format(standard_error, "~ts broke off: ~p~n", [Name, Reason]),
            _ = application:stop(pyport),
            error
    end.
