%% @private
%% @doc What buffers and channels have in common in the calling process: where
%% a new one lives, how the link is asked, how it is done on another node.
-module(pyport_object).

-export([place/4, make/4, ask/3, answer/1, at/5]).

-export_type([kind/0, handle/0, new/0]).

-type kind() :: buffers | channels.
-type handle() :: pyport_cells:handle().
%% The link answers `{Reply, ok | {error, term()}}'.
-type new() :: {Reply :: reference(), Owner :: pid(), handle(),
                pyport_wire:buffer_new() | pyport_wire_channel:new()}.

%% @doc Has a module make an object for its owner where the options say:
%% `Module:new_at(Link, Owner, Options)' on the node of that link.
-spec place(module(), pid(), map(), Unknown :: atom()) -> term().
place(Module, Owner, Options, Unknown) ->
    Target = maps:get(context, Options, {pool, default}),
    case pyport_call:place(Target) of
        {Link, _} when is_pid(Link), node(Link) =:= node() ->
            Module:new_at(Link, Owner, Options);
        {Link, _} when is_pid(Link) ->
            at(node(Link), Module, new_at, [Link, Owner, Options], Unknown);
        Error ->
            Error
    end.

%% @doc Has the link name a new object.
-spec make(kind(), pid(), {pid(), handle()},
           pyport_wire:buffer_new() | pyport_wire_channel:new()) -> term().
make(Kind, Link, {Owner, Cells}, New) ->
    Reply = monitor(process, Link, [{alias, reply_demonitor}]),
    Link ! {new, Kind, {Reply, Owner, Cells, New}},
    case answer(Reply) of
        ok -> {ok, Cells};
        {error, _} = Error -> Error
    end.

%% @doc Asks a link: `{Tag, Command(Reply)}'.
-spec ask(pid(), buffer | channel, fun((reference()) -> term())) -> term().
ask(Link, Tag, Command) ->
    Reply = monitor(process, Link, [{alias, reply_demonitor}]),
    Link ! {Tag, Command(Reply)},
    answer(Reply).

%% @doc What the link answers, or why it ended.
-spec answer(reference()) -> term().
answer(Reply) ->
    receive
        {Reply, Answer} -> Answer;
        {'DOWN', Reply, process, _, Reason} ->
            {error, pyport_link:link_down(Reason)}
    end.

%% @doc Does it on another node. One that does not know us has no such
%% object.
-spec at(node(), module(), atom(), [term(), ...], Unknown :: atom()) ->
          term().
at(Node, Module, Function, Arguments, Unknown) ->
    try
        erpc:call(Node, Module, Function, Arguments, infinity)
    catch
        error:{erpc, Reason} -> {error, {context_died, Reason}};
        error:{exception, undef, _} -> {error, Unknown}
    end.
