%% Keeper of the table of contexts: {Context :: pid(), Link, Number}.
%%
%% Callers read the table directly. A context enters itself, and its row goes
%% when it dies, whatever killed it. The table belongs to the supervisor
%% (py_context_sup), so it outlives this process; after a restart every row is
%% monitored again.
%% @private
-module(pyport_contexts).
-behaviour(gen_server).

-export([create/0, start_link/0, add/2, remove/0, all/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(TABLE, ?MODULE).

-spec create() -> ok.
create() ->
    case ets:whereis(?TABLE) of
        undefined ->
            ?TABLE = ets:new(?TABLE, [
                named_table, public, set, {read_concurrency, true}
            ]),
            ok;
        _ ->
            ok
    end.

-spec start_link() -> gen_server:start_ret().
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% Makes the calling context findable.
-spec add(Link :: pid(), Context :: non_neg_integer()) -> ok.
add(Link, Context) ->
    ok = gen_server:call(?MODULE, {watch, self()}, infinity),
    true = ets:insert(?TABLE, {self(), Link, Context}),
    ok.

%% From here on nobody finds the calling context any more.
-spec remove() -> ok.
remove() ->
    true = ets:delete(?TABLE, self()),
    ok.

-spec all() -> [pid()].
all() ->
    [Ctx || {Ctx, _, _} <- ets:tab2list(?TABLE)].

-spec init([]) -> {ok, nostate}.
init([]) ->
    lists:foreach(fun watch/1, all()),
    {ok, nostate}.

-spec handle_call({watch, pid()}, gen_server:from(), nostate) ->
    {reply, ok, nostate}.
handle_call({watch, Ctx}, _From, nostate) ->
    {reply, watch(Ctx), nostate}.

-spec handle_cast(term(), nostate) -> {noreply, nostate}.
handle_cast(_, nostate) ->
    {noreply, nostate}.

-spec handle_info(term(), nostate) -> {noreply, nostate}.
handle_info({'DOWN', _, process, Ctx, _}, nostate) ->
    true = ets:delete(?TABLE, Ctx),
    {noreply, nostate};
handle_info(_, nostate) ->
    {noreply, nostate}.

-spec watch(pid()) -> ok.
watch(Ctx) ->
    _ = monitor(process, Ctx),
    ok.
