%% A pool of contexts: starts the members, owns them, replaces the dead.
%%
%% The list of members is a persistent term, so that a process finds its
%% context without asking anybody. It changes only when a member is replaced.
%% A member that cannot be started again is tried again after `retry_ms'.
%% @private
-module(pyport_pool).
-behaviour(gen_server).

-export([start_link/3, await/1, pick/1, missing/1, members/1, is_started/1]).
-export([init/1, handle_continue/2, handle_call/3, handle_cast/2]).
-export([handle_info/2, terminate/2]).

-include_lib("kernel/include/logger.hrl").

-export_type([missing/0]).

-type index() :: pos_integer().
-type missing() :: {error, {unknown_pool, atom()} | {not_started, pyport}}.
-type published() :: {atomics:atomics_ref(), Members :: tuple()}.

-record(state, {
    name :: atom(),
    config :: pyport_context_options:config(),
    size :: pos_integer(),
    counter :: atomics:atomics_ref(),
    members = #{} :: #{index() => pid()},
    starting = #{} :: #{pid() => index()},
    waiters = [] :: [gen_server:from()]
}).

-define(RETRY_MS, 1000).
-define(STOP_MS, 5000).
-define(KEY(Name), {?MODULE, Name}).

-spec start_link(atom(), pos_integer(), pyport_context_options:config()) ->
    gen_server:start_ret().
start_link(Name, Size, Config) ->
    gen_server:start_link(?MODULE, {Name, Size, Config}, []).

%% The members, once all of them have started, or why one could not.
-spec await(pid()) -> {ok, [pid()]} | {error, term()}.
await(Pool) ->
    try
        gen_server:call(Pool, await, infinity)
    catch
        exit:{Reason, _} -> {error, {pool_died, Reason}}
    end.

%% A live member. Processes are dealt out in turn and not by scheduler: the
%% processes that one process spawns often start on one scheduler, and a pool
%% with unequal shares serves its callers unequally.
-spec pick(atom()) ->
    {ok, pid()} | {error, {context_died, noproc}} | missing().
pick(Name) ->
    case published(Name) of
        undefined ->
            missing(Name);
        {_, {}} ->
            {error, {context_died, noproc}};
        {Counter, Members} ->
            Turn = atomics:add_get(Counter, 1, 1),
            live(Members, Turn, tuple_size(Members))
    end.

%% Why there is no pool of that name: the first mistake of a newcomer is an
%% application that was not started, and that is no unknown pool.
-spec missing(atom()) -> missing().
missing(Name) ->
    case whereis(py_context_sup) of
        undefined -> {error, {not_started, pyport}};
        _ -> {error, {unknown_pool, Name}}
    end.

-spec members(atom()) -> [pid()].
members(Name) ->
    case published(Name) of
        undefined -> [];
        {_, Members} -> tuple_to_list(Members)
    end.

-spec is_started(atom()) -> boolean().
is_started(Name) ->
    published(Name) =/= undefined.

-spec init({atom(), pos_integer(), pyport_context_options:config()}) ->
    {ok, #state{}, {continue, fill}}.
init({Name, Size, Config}) ->
    _ = process_flag(trap_exit, true),
    State = #state{
        name = Name,
        config = Config,
        size = Size,
        counter = atomics:new(1, [{signed, false}])
    },
    {ok, State, {continue, fill}}.

-spec handle_continue(fill, #state{}) -> {noreply, #state{}}.
handle_continue(fill, #state{size = Size} = State) ->
    {noreply, lists:foldl(fun start/2, State, lists:seq(1, Size))}.

-spec handle_call(await, gen_server:from(), #state{}) -> {noreply, #state{}}.
handle_call(await, From, #state{waiters = Waiters} = State) ->
    {noreply, tell_ready(State#state{waiters = [From | Waiters]})}.

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast(_, State) ->
    {noreply, State}.

-spec handle_info(term(), #state{}) -> {noreply, #state{}}.
handle_info({py_context, Pid, ready}, #state{starting = Starting} = State) ->
    {Index, Rest} = maps:take(Pid, Starting),
    Members = (State#state.members)#{Index => Pid},
    Filled = State#state{members = Members, starting = Rest},
    ok = publish(Filled),
    {noreply, tell_ready(Filled)};
handle_info({py_context, Pid, {error, Reason}}, State) ->
    {noreply, not_started(Pid, Reason, State)};
handle_info({'EXIT', Pid, Reason}, #state{starting = Starting} = State) ->
    case Starting of
        #{Pid := _} -> {noreply, not_started(Pid, Reason, State)};
        #{} -> {noreply, replace(Pid, Reason, State)}
    end;
handle_info({timeout, _, {start, Index}}, State) ->
    {noreply, start(Index, State)};
handle_info(_, State) ->
    {noreply, State}.

-spec terminate(term(), #state{}) -> ok.
terminate(_Reason, #state{name = Name} = State) ->
    _ = persistent_term:erase(?KEY(Name)),
    Pids = maps:values(State#state.members) ++ maps:keys(State#state.starting),
    lists:foreach(fun(Pid) -> true = exit(Pid, shutdown) end, Pids),
    Deadline = erlang:start_timer(?STOP_MS, self(), stop),
    stopped(Pids, Deadline).

%% Internal.

-spec published(atom()) -> published() | undefined.
published(Name) ->
    persistent_term:get(?KEY(Name), undefined).

-spec publish(#state{}) -> ok.
publish(#state{name = Name, counter = Counter, members = Members}) ->
    Pids = [Pid || {_, Pid} <- lists:sort(maps:to_list(Members))],
    persistent_term:put(?KEY(Name), {Counter, list_to_tuple(Pids)}).

-spec live(tuple(), non_neg_integer(), non_neg_integer()) ->
    {ok, pid()} | {error, {context_died, noproc}}.
live(_, _, 0) ->
    {error, {context_died, noproc}};
live(Members, Turn, Left) ->
    Pid = element(Turn rem tuple_size(Members) + 1, Members),
    case is_process_alive(Pid) of
        true -> {ok, Pid};
        false -> live(Members, Turn + 1, Left - 1)
    end.

-spec start(index(), #state{}) -> #state{}.
start(Index, #state{config = Config, starting = Starting} = State) ->
    Pid = pyport_context:start_for(Config, permanent),
    State#state{starting = Starting#{Pid => Index}}.

-spec tell_ready(#state{}) -> #state{}.
tell_ready(#state{size = Size, members = Members} = State) when
    map_size(Members) =:= Size
->
    tell({ok, members(State#state.name)}, State);
tell_ready(State) ->
    State.

-spec tell({ok, [pid()]} | {error, term()}, #state{}) -> #state{}.
tell(Answer, #state{waiters = Waiters} = State) ->
    lists:foreach(fun(From) -> gen_server:reply(From, Answer) end, Waiters),
    State#state{waiters = []}.

-spec not_started(pid(), term(), #state{}) -> #state{}.
not_started(Pid, Reason, #state{name = Name, starting = Starting} = State) ->
    {Index, Rest} = maps:take(Pid, Starting),
    %% Whoever waits gets the reason; otherwise it goes to the log.
    _ = State#state.waiters =:= [] andalso
        ?LOG_WARNING(#{
            what => pool_member_not_started,
            pool => Name,
            reason => Reason,
            retry_ms => ?RETRY_MS
        }),
    _ = erlang:start_timer(?RETRY_MS, self(), {start, Index}),
    tell({error, Reason}, State#state{starting = Rest}).

-spec replace(pid(), term(), #state{}) -> #state{}.
replace(Pid, Reason, #state{name = Name, members = Members} = State) ->
    case [Index || {Index, Member} <- maps:to_list(Members), Member =:= Pid] of
        [Index] ->
            ?LOG_NOTICE(#{
                what => pool_member_replaced, pool => Name, reason => Reason
            }),
            Left = State#state{members = maps:remove(Index, Members)},
            ok = publish(Left),
            start(Index, Left);
        [] ->
            State
    end.

-spec stopped([pid()], reference()) -> ok.
stopped([], Deadline) ->
    _ = erlang:cancel_timer(Deadline),
    ok;
stopped([Pid | Pids], Deadline) ->
    receive
        {'EXIT', Pid, _} -> stopped(Pids, Deadline);
        {py_context, Pid, {error, _}} -> stopped(Pids, Deadline);
        {timeout, Deadline, stop} -> ok
    end.
