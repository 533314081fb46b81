%% @private
%% @doc The supervisor of hosts.
%%
%% A host survives the death of its program by itself; what this supervisor
%% sees is a defect of ours or a first start that failed. Shared hosts are
%% transient: a failed first start is an error of whoever starts them, a
%% crash of their Erlang side is repaired, by a host that tries until its
%% program starts, because nobody waits for it. Isolated hosts are temporary:
%% they belong to their context.
-module(pyport_hosts).
-behaviour(supervisor).

-export([start_link/0, start_host/1, stop_host/1]).
-export([configure/1, setting/1, start_shared/1, shared/0, all/0]).
-export([init/1]).

-define(CONFIG, {?MODULE, config}).
-define(RESTARTS_MAX, 10).
-define(RESTARTS_PERIOD_S, 10).
-define(SHUTDOWN_MS, 5000).
-define(KILL_AFTER_MS_DEFAULT, 5000).

-spec start_link() -> supervisor:startlink_ret().
start_link() ->
    supervisor:start_link({local, ?MODULE}, ?MODULE, []).

-spec init([]) -> {ok, {supervisor:sup_flags(), []}}.
init([]) ->
    ok = pyport_lanes:create(),
    ok = pyport_channel_segments:create(),
    {ok, {#{strategy => one_for_one, intensity => ?RESTARTS_MAX,
            period => ?RESTARTS_PERIOD_S}, []}}.

%% @doc Starts a host and waits for its program's hello. What the options
%% leave out comes from the application's configuration.
-spec start_host(map()) -> {ok, pid()} | {error, pyport_host:reason()}.
start_host(Given) ->
    start(make_ref(), temporary, options(Given)).

-spec start(term(), temporary | transient, pyport_host:options()) ->
          {ok, pid()} | {error, pyport_host:reason()}.
start(Id, Restart, Options) ->
    Awaited = Options#{starter => self()},
    Child = #{id => Id, start => {pyport_host, start_link, [Awaited]},
              restart => Restart, shutdown => ?SHUTDOWN_MS},
    try supervisor:start_child(?MODULE, Child) of
        {ok, Host} -> started(Id, Host, pyport_host:await(Host));
        {error, {already_started, Host}} -> {ok, Host};
        {error, Reason} -> {error, Reason}
    catch
        exit:{noproc, _} -> {error, {not_started, pyport}};
        exit:{shutdown, _} -> {error, {not_started, pyport}}
    end.

-spec started(reference() | {shared, integer()}, pid(),
              ok | {error, pyport_host:reason()}) ->
          {ok, pid()} | {error, pyport_host:reason()}.
started(_, Host, ok) ->
    {ok, Host};
started(Id, _, {error, _} = Error) ->
    _ = supervisor:delete_child(?MODULE, Id),
    Error.

%% @doc Ends a host; its callers get `context_destroyed'.
-spec stop_host(pid()) -> ok.
stop_host(Host) ->
    pyport_host:stop(Host).

%% @doc Sets where options come from that a host is not given.
-spec configure(pyport_config:config()) -> ok.
configure(#{frame_bytes_max := FrameBytesMax,
            bulk_threshold := BulkThreshold} = Config) ->
    BulkMin = case BulkThreshold of 0 -> infinity; _ -> BulkThreshold end,
    ok = pyport_link:set_limits(FrameBytesMax, BulkMin),
    persistent_term:put(?CONFIG, Config).

%% @doc One of them, for who needs no host; the default without an
%% application.
-spec setting(atom()) -> {ok, term()} | {error, {not_started, pyport}}.
setting(Key) ->
    case persistent_term:get(?CONFIG, #{}) of
        #{Key := Value} -> {ok, Value};
        #{} -> {error, {not_started, pyport}}
    end.

%% @doc Starts the shared hosts of the application, all at once.
-spec start_shared(pyport_config:config()) ->
          ok | {error, pyport_host:reason()}.
start_shared(#{hosts := Count} = Config) ->
    ok = configure(Config),
    Options = options(#{kind => shared, restart => permanent}),
    Parent = self(),
    Starts = [spawn_link(fun() ->
                  Parent ! {self(), start({shared, N}, transient, Options)}
              end) || N <- lists:seq(1, Count)],
    first_error([receive {Pid, Result} -> Result end || Pid <- Starts]).

-spec first_error([{ok, pid()} | {error, term()}]) -> ok | {error, term()}.
first_error(Results) ->
    case [Error || {error, _} = Error <- Results] of
        [] -> ok;
        [Error | _] -> Error
    end.

%% @doc The shared host for one more context: they take turns.
-spec shared() -> {ok, pid()} | {error, {not_started, pyport}}.
shared() ->
    case [Host || {{shared, _}, Host} <- children()] of
        [] ->
            {error, {not_started, pyport}};
        Hosts ->
            Turn = erlang:unique_integer([positive]) rem length(Hosts),
            {ok, lists:nth(Turn + 1, Hosts)}
    end.

%% @doc Every host that runs.
-spec all() -> [pid()].
all() ->
    [Host || {_, Host} <- children()].

-spec children() -> [{term(), pid()}].
children() ->
    try
        [{Id, Host} || {Id, Host, _, _} <- supervisor:which_children(?MODULE),
                       is_pid(Host)]
    catch
        exit:{noproc, _} -> []
    end.

-spec options(map()) -> pyport_host:options().
options(Given) ->
    Config = persistent_term:get(?CONFIG),
    Kind = maps:get(kind, Given, isolated),
    Defaults = Config#{kind => Kind, restart => temporary, env => #{},
                       python_path => [],
                       kill_after => kill_after(Kind, Config),
                       tmp_dir => tmp_dir(Config)},
    sinks(maps:merge(Defaults, Given)).

-spec kill_after(shared | isolated, pyport_config:config()) -> timeout().
kill_after(shared, #{kill_after := default}) -> infinity;
kill_after(isolated, #{kill_after := default}) -> ?KILL_AFTER_MS_DEFAULT;
kill_after(_, #{kill_after := Value}) -> Value.

-spec tmp_dir(pyport_config:config()) -> file:filename_all().
tmp_dir(#{tmp_dir := default}) -> pyport_tmp:default();
tmp_dir(#{tmp_dir := Dir}) -> Dir.

-spec sinks(pyport_host:options()) -> pyport_host:options().
sinks(#{stdout := Out, stderr := Err} = Options) ->
    Options#{stdout := sink(Out), stderr := sink(Err)}.

-spec sink(term()) -> pyport_sink:sink().
sink(group_leader) -> {group_leader, group_leader()};
sink(Sink) -> Sink.
