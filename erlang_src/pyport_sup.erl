%% @private
%% @doc The top supervisor.
%%
%% `rest_for_one': contexts live in hosts, so they cannot outlive the
%% supervisor of hosts; a failure on the side of the contexts leaves the
%% hosts alone, which close the contexts whose owners died.
-module(pyport_sup).
-behaviour(supervisor).

-export([start_link/0, init/1]).

-define(RESTARTS_MAX, 5).
-define(RESTARTS_PERIOD_S, 10).

-spec start_link() -> supervisor:startlink_ret().
start_link() ->
    supervisor:start_link({local, ?MODULE}, ?MODULE, []).

-spec init([]) ->
          {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    {ok, {#{strategy => rest_for_one, intensity => ?RESTARTS_MAX,
            period => ?RESTARTS_PERIOD_S},
          [child(pyport_hosts), child(py_context_sup)]}}.

-spec child(module()) -> supervisor:child_spec().
child(Module) ->
    #{id => Module, start => {Module, start_link, []}, type => supervisor}.
