%% Which module or function goes to which pool.
%%
%% Most applications register nothing. A persistent term says whether anything
%% ever was, so that a call of theirs pays for one read and no lookup.
%% @private
-module(pyport_registry).

-export([create/0, add/2, remove/1, lookup/2, all/0]).

-export_type([key/0, error/0]).

-type key() :: atom() | {atom(), atom()}.
-type error() ::
    {error, {not_started, pyport}} | pyport_args:invalid_argument().

-define(TABLE, ?MODULE).
-define(USED, {?MODULE, used}).
-define(DEFAULT, default).
-define(A_KEY, <<"an atom or {Module, Function}">>).

%% The table belongs to the calling process: a supervisor.
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

-spec add(term(), term()) -> ok | error().
add(Pool, _) when not is_atom(Pool) ->
    pyport_args:invalid(pool, <<"an atom">>);
add(Pool, {Module, Function}) when is_atom(Module), is_atom(Function) ->
    insert({Module, Function}, Pool);
add(Pool, Module) when is_atom(Module) ->
    insert(Module, Pool);
add(_, _) ->
    pyport_args:invalid(module, ?A_KEY).

-spec remove(term()) -> ok | pyport_args:invalid_argument().
remove({Module, Function} = Key) when is_atom(Module), is_atom(Function) ->
    delete(Key);
remove(Module) when is_atom(Module) ->
    delete(Module);
remove(_) ->
    pyport_args:invalid(module, ?A_KEY).

-spec lookup(term(), term()) -> atom().
lookup(Module, Function) ->
    case persistent_term:get(?USED, false) of
        false -> ?DEFAULT;
        true -> registered(known(Module), known(Function))
    end.

-spec all() -> [{key(), atom()}].
all() ->
    case ets:whereis(?TABLE) of
        undefined -> [];
        _ -> ets:tab2list(?TABLE)
    end.

%% Internal.

-spec delete(key()) -> ok.
delete(Key) ->
    try
        true = ets:delete(?TABLE, Key),
        ok
    catch
        %% The application is not running: nothing is registered.
        error:badarg -> ok
    end.

-spec insert(key(), atom()) -> ok | {error, {not_started, pyport}}.
insert(Key, Pool) ->
    try
        true = ets:insert(?TABLE, {Key, Pool}),
        persistent_term:put(?USED, true)
    catch
        error:badarg -> {error, {not_started, pyport}}
    end.

-spec registered(atom(), atom()) -> atom().
registered(Module, Function) ->
    try
        hd(
            [
                Pool
             || Key <- [{Module, Function}, Module],
                {_, Pool} <- ets:lookup(?TABLE, Key)
            ] ++ [?DEFAULT]
        )
    catch
        error:badarg -> ?DEFAULT
    end.

%% A name that is no atom yet cannot be registered.
-spec known(term()) -> atom().
known(Name) when is_atom(Name) ->
    Name;
known(Name) ->
    try
        binary_to_existing_atom(unicode:characters_to_binary(Name))
    catch
        error:_ -> ''
    end.
