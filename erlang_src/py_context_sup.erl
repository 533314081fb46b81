%% Supervisor of the pools and of the table of contexts.
%%
%% Contexts that a user creates are not here: they belong to their creator.
%% Those of a pool belong to the pool's process, which replaces them; this
%% supervisor restarts a pool's process, and a restarted pool starts its
%% members anew. The tables are made by the supervisor itself, so that
%% callers find them as long as there are contexts.
%% @private
-module(py_context_sup).
-behaviour(supervisor).

-export([start_link/0, start_pool/3, stop_pool/1]).
-export([which_contexts/0]).
-export([init/1]).

-define(STOP_MS, 10000).

-spec start_link() -> supervisor:startlink_ret().
start_link() ->
    supervisor:start_link({local, ?MODULE}, ?MODULE, []).

-spec start_pool(atom(), pos_integer(), pyport_context_options:config()) ->
    {ok, pid()} | {error, term()}.
start_pool(Name, Size, Config) ->
    Child = #{
        id => {pool, Name},
        start => {pyport_pool, start_link, [Name, Size, Config]},
        restart => permanent,
        shutdown => ?STOP_MS
    },
    try supervisor:start_child(?MODULE, Child) of
        {ok, Pid} when is_pid(Pid) -> {ok, Pid};
        {error, {already_started, Pid}} -> {ok, Pid};
        {error, _} = Error -> Error
    catch
        exit:{noproc, _} -> {error, {not_started, pyport}}
    end.

-spec stop_pool(atom()) -> ok.
stop_pool(Name) ->
    Id = {pool, Name},
    try
        _ = supervisor:terminate_child(?MODULE, Id),
        _ = supervisor:delete_child(?MODULE, Id),
        ok
    catch
        exit:{noproc, _} -> ok
    end.

%% All contexts of this node, also those that belong to no pool.
-spec which_contexts() -> [pid()].
which_contexts() ->
    pyport_contexts:all().

-spec init([]) ->
    {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    ok = pyport_contexts:create(),
    ok = pyport_registry:create(),
    Flags = #{strategy => one_for_one, intensity => 10, period => 10},
    Table = #{
        id => pyport_contexts,
        start => {pyport_contexts, start_link, []}
    },
    {ok, {Flags, [Table]}}.
