%% Processes of a benchmark that are done when they end.
-module(bench_wait).

-export([ended/1]).

%% Waits until all have ended well.
-spec ended([{pid(), reference()}]) -> ok.
ended(Processes) ->
    lists:foreach(
        fun({Pid, Ref}) ->
            receive
                {'DOWN', Ref, process, Pid, normal} -> ok
            end
        end,
        Processes
    ).
