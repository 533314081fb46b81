%% @private
%% @doc One channel as its link knows it: its owner, and who waits at it.
%%
%% It is in the dictionary of the link as `{channel, Number}'; `{at_channel,
%% Pid}' is the one at which a process waits. Whoever waits gets `{Reply,
%% look}' when there may be something for it.
-module(pyport_channel_entry).

-export([new/2, find/1, set/2, erase/1, all/0]).
-export([cells/1, owner/1, set_owner/2, is_forgotten/1, set_forgotten/1]).
-export([add_sender/3, wake_senders/2, wake_all_senders/1]).
-export([add_receiver/3, next_receiver/1, cancel/3, end_receivers/1]).
-export([leave/1, look/1]).

-export_type([entry/0, sender/0, receiver/0]).

-type cells() :: pyport_channel_cells:handle().
-type channel_number() :: pos_integer().
-type sender() :: {pid(), Reply :: reference(), Bytes :: non_neg_integer()}.
-type receiver() :: {pid(), Reply :: reference()}.

-record(channel, {
    cells :: cells(),
    owner :: pid(),
    %% first come, first served
    senders = [] :: [sender()],
    receivers = queue:new() :: queue:queue(receiver()),
    %% the program knows it no more
    is_forgotten = false :: boolean()
}).
-opaque entry() :: #channel{}.

-spec new(cells(), pid()) -> entry().
new(Cells, Owner) -> #channel{cells = Cells, owner = Owner}.

-spec find(channel_number()) -> entry() | undefined.
find(Number) -> get({channel, Number}).

-spec set(channel_number(), entry()) -> ok.
set(Number, Channel) ->
    _ = put({channel, Number}, Channel),
    ok.

-spec erase(channel_number()) -> ok.
erase(Number) ->
    _ = erlang:erase({channel, Number}),
    ok.

-spec all() -> [{channel_number(), entry()}].
all() -> [{Number, Channel} || {{channel, Number}, Channel} <- get()].

-spec cells(entry()) -> cells().
cells(#channel{cells = Cells}) -> Cells.

-spec owner(entry()) -> pid().
owner(#channel{owner = Owner}) -> Owner.

-spec set_owner(pid(), entry()) -> entry().
set_owner(Owner, Channel) -> Channel#channel{owner = Owner}.

%% @doc Does the program know it no more?
-spec is_forgotten(entry()) -> boolean().
is_forgotten(#channel{is_forgotten = IsForgotten}) -> IsForgotten.

-spec set_forgotten(entry()) -> entry().
set_forgotten(Channel) -> Channel#channel{is_forgotten = true}.

-spec look(reference()) -> ok.
look(Reply) ->
    Reply ! {Reply, look},
    ok.

%% A process waits at one channel at a time.
-spec waits(pid(), channel_number()) -> ok.
waits(Pid, Number) ->
    ok = pyport_callers:meet(Pid),
    _ = put({at_channel, Pid}, Number),
    ok.

%% for room

-spec add_sender(channel_number(), sender(), entry()) -> ok.
add_sender(Number, {Pid, _, _} = Sender,
           #channel{senders = Senders} = Channel) ->
    ok = waits(Pid, Number),
    set(Number, Channel#channel{senders = Senders ++ [Sender]}).

%% @doc Those who wait for room look again, as many as have room together.
-spec wake_senders(channel_number(), entry()) -> ok.
wake_senders(_, #channel{senders = []}) ->
    ok;
wake_senders(Number, #channel{cells = Cells, senders = Senders} = Channel) ->
    Left = wake_within(pyport_channel_cells:room(Cells), Senders),
    set(Number, Channel#channel{senders = Left}).

-spec wake_within(integer() | infinity, [sender()]) -> [sender()].
wake_within(infinity, Senders) ->
    ok = lists:foreach(fun wake/1, Senders),
    [];
wake_within(Room, [{_, _, Bytes} = Sender | Senders]) when Bytes =< Room ->
    ok = wake(Sender),
    wake_within(Room - Bytes, Senders);
wake_within(_, Senders) ->
    Senders.

-spec wake(sender()) -> ok.
wake({Pid, Reply, _}) ->
    _ = erlang:erase({at_channel, Pid}),
    look(Reply).

%% @doc There is no more room to wait for.
-spec wake_all_senders(entry()) -> entry().
wake_all_senders(#channel{senders = Senders} = Channel) ->
    ok = lists:foreach(fun wake/1, Senders),
    Channel#channel{senders = []}.

%% for a message

-spec add_receiver(channel_number(), receiver(), entry()) -> ok.
add_receiver(Number, {Pid, _} = Receiver,
             #channel{receivers = Receivers} = Channel) ->
    ok = waits(Pid, Number),
    set(Number, Channel#channel{receivers = queue:in(Receiver, Receivers)}).

%% @doc Whose turn it is.
-spec next_receiver(entry()) -> {receiver() | none, entry()}.
next_receiver(#channel{receivers = Receivers} = Channel) ->
    case queue:out(Receivers) of
        {empty, _} ->
            {none, Channel};
        {{value, {Pid, _} = Receiver}, Others} ->
            _ = erlang:erase({at_channel, Pid}),
            Left = Channel#channel{receivers = Others},
            case is_process_alive(Pid) of
                true -> {Receiver, Left};
                false -> next_receiver(Left)
            end
    end.

-spec cancel(channel_number(), receiver(), entry()) -> ok.
cancel(Number, {Pid, _} = Receiver,
       #channel{receivers = Receivers} = Channel) ->
    _ = erlang:erase({at_channel, Pid}),
    Others = queue:filter(fun(Each) -> Each =/= Receiver end, Receivers),
    set(Number, Channel#channel{receivers = Others}).

%% @doc Nothing more comes.
-spec end_receivers(entry()) -> entry().
end_receivers(#channel{cells = Cells, receivers = Receivers} = Channel) ->
    ok = pyport_channel_cells:set_ended(Cells),
    _ = [begin
             _ = erlang:erase({at_channel, Pid}),
             look(Reply)
         end || {Pid, Reply} <- queue:to_list(Receivers)],
    Channel#channel{receivers = queue:new()}.

%% @doc A process waits no more.
-spec leave(pid()) -> ok.
leave(Pid) ->
    case erlang:erase({at_channel, Pid}) of
        undefined -> ok;
        Number -> leave(Number, Pid, find(Number))
    end.

-spec leave(channel_number(), pid(), entry() | undefined) -> ok.
leave(_, _, undefined) ->
    ok;
leave(Number, Pid, #channel{senders = Senders,
                            receivers = Receivers} = Channel) ->
    Sending = [Each || {Other, _, _} = Each <- Senders, Other =/= Pid],
    Receiving = queue:filter(fun({Other, _}) -> Other =/= Pid end, Receivers),
    Left = Channel#channel{senders = Sending, receivers = Receiving},
    ok = set(Number, Left),
    wake_senders(Number, Left).
