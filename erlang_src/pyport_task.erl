%% A function run in a process of its own, whose result comes as a message.
%%
%% The message is {py_response, Ref, Result}. Ref is an alias of the caller:
%% when the caller gives up waiting, a late result is dropped on its way and
%% the mailbox stays clean.
%% @private
-module(pyport_task).

-export([cast/1, start/1, await/2, run_all/1]).

%% Nobody waits, and the caller may end before the function does.
-spec cast(fun(() -> term())) -> ok.
cast(Run) ->
    _ = spawn(fun() -> _ = Run() end),
    ok.

%% The function ends with the caller, when that crashes.
-spec start(fun(() -> term())) -> reference().
start(Run) ->
    {_, Ref} = spawn_task(Run),
    Ref.

%% REQUIRES: the caller is the process that started the task.
-spec await(reference(), timeout()) -> term() | {error, timeout}.
await(Ref, Timeout) ->
    receive
        {py_response, Ref, Result} -> Result
    after Timeout ->
        give_up(Ref)
    end.

%% Runs all at the same time; the results come in the order of the functions.
-spec run_all([fun(() -> Result)]) -> [Result | {error, term()}].
run_all(Runs) ->
    Tasks = [spawn_task(Run) || Run <- Runs],
    [collect(Task) || Task <- Tasks].

%% Internal.

-spec spawn_task(fun(() -> term())) -> {pid(), reference()}.
spawn_task(Run) ->
    Caller = self(),
    Ref = alias([reply]),
    Pid = spawn_link(fun() ->
        Result = Run(),
        %% A caller that traps exits is not told about the normal end.
        true = unlink(Caller),
        Ref ! {py_response, Ref, Result}
    end),
    {Pid, Ref}.

-spec give_up(reference()) -> term() | {error, timeout}.
give_up(Ref) ->
    _ = unalias(Ref),
    receive
        {py_response, Ref, Result} -> Result
    after 0 ->
        {error, timeout}
    end.

-spec collect({pid(), reference()}) -> term().
collect({Pid, Ref}) ->
    Monitor = monitor(process, Pid),
    receive
        {py_response, Ref, Result} ->
            true = demonitor(Monitor, [flush]),
            Result;
        {'DOWN', Monitor, process, Pid, Reason} ->
            collect_dead(Ref, Reason)
    end.

-spec collect_dead(reference(), term()) -> term().
collect_dead(Ref, Reason) ->
    case give_up(Ref) of
        {error, timeout} -> {error, {task_died, Reason}};
        Result -> Result
    end.
