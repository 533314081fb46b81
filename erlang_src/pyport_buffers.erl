%% @private
%% @doc The buffers that a link knows: who owns each and who waits for
%% credit.
%%
%% The state is the process dictionary of the link, as in {@link
%% pyport_callers}: `{buffer, Number}' is a buffer, `{waiter, Pid}' the buffer
%% that a process waits for (it waits for one at a time), `death' the numbers
%% that the last program had and of what it died. {@link pyport_owners} has
%% the owners. Waiters are monitored once, together with the callers.
%%
%% What the program is to be told is returned, for the lane that the buffer
%% is on: an end must not overtake the content before it.
-module(pyport_buffers).

-export([new/3, command/1, event/2, down/2, gone/0, answer_waiters/1]).

-export_type([command/0, event/0]).

-type cells() :: pyport_cells:handle().
-type buffer_number() :: pos_integer().
%% Who needs infinity waits for the end of the buffer.
-type waiter() :: {pid(), reference(), Need :: non_neg_integer() | infinity}.
-type buffer() :: {cells(), Owner :: pid(), [waiter()]}.
%% Whoever waits gets `{Reply, Answer}'.
-type command() ::
        {close, buffer_number()}
      | {wait, buffer_number()}
      | {credit, buffer_number(), waiter()}
      | {give, buffer_number(), Reply :: reference(), Caller :: pid(),
         NewOwner :: pid()}
      | {owner, buffer_number(), Reply :: reference()}.
%% The numbers are above `From' and not above `UpTo'.
-type death() :: {From :: non_neg_integer(), UpTo :: non_neg_integer(),
                  unknown | {error, term()}}.
-type event() :: pyport_wire:buffer_event().
-type effect() :: pyport_objects:effect().

%% @doc Names a new buffer, unless there are too many.
-spec new(pyport_object:new(), pyport_lanes:key(), pos_integer()) ->
          {ok, iolist()} | error.
new({Reply, Owner, Cells, New}, Key, Max) ->
    case pyport_owners:next(buffers, Max) of
        {ok, Number} ->
            ok = pyport_cells:name(Cells, {Key, Number}, maps:get(window, New)),
            _ = put({buffer, Number}, {Cells, Owner, []}),
            ok = pyport_owners:add(buffers, Owner, Number),
            Reply ! {Reply, ok},
            {ok, pyport_wire:buffer_new(Number, New)};
        {error, _} = Error ->
            Reply ! {Reply, Error},
            error
    end.

%% @doc What a process asks. A buffer that is not known any more was dropped
%% or forgotten, or its program is gone: its cells say which.
-spec command(command()) -> [effect()].
command(Command) ->
    case get({buffer, element(2, Command)}) of
        undefined -> unknown(Command);
        Buffer -> command(Command, Buffer)
    end.

-spec unknown(command()) -> [].
unknown({credit, Number, {Pid, Reply, _}}) ->
    ok = died(get(death), Number, Pid, Reply),
    [];
unknown({give, _, Reply, _, _}) ->
    Reply ! {Reply, {error, closed}},
    [];
unknown({owner, _, Reply}) ->
    Reply ! {Reply, undefined},
    [];
unknown(_) ->
    [].

%% One who was about to wait when the program went.
-spec died(undefined | death(), buffer_number(), pid(), reference()) -> ok.
died({From, UpTo, unknown}, Number, Pid, Reply)
  when From < Number, Number =< UpTo ->
    ok = pyport_callers:meet(Pid),
    _ = put({waiter, Pid}, Reply),
    ok;
died({From, UpTo, Error}, Number, _, Reply)
  when From < Number, Number =< UpTo ->
    Reply ! {Reply, Error},
    ok;
died(_, _, _, Reply) ->
    Reply ! {Reply, wake},
    ok.

-spec command(command(), buffer()) -> [effect()].
command({close, Number}, Buffer) ->
    ok = wake_all(Number, Buffer),
    [];
command({wait, Number}, _) ->
    [{link, pyport_wire:buffer(buffer_wait, Number, <<>>)}];
command({credit, Number, Waiter}, Buffer) ->
    ok = wait(Number, Waiter, Buffer),
    [];
command({give, Number, Reply, Caller, New}, {Cells, Caller, Waiters}) ->
    ok = pyport_owners:give(buffers, Caller, New, Number),
    _ = put({buffer, Number}, {Cells, New, Waiters}),
    Reply ! {Reply, ok},
    [];
command({give, _, Reply, _, _}, _) ->
    Reply ! {Reply, {error, not_owner}},
    [];
command({owner, _, Reply}, {_, Owner, _}) ->
    Reply ! {Reply, Owner},
    [].

%% The cells may have changed since the writer looked.
-spec wait(buffer_number(), waiter(), buffer()) -> ok.
wait(Number, {Pid, Reply, Need} = Waiter, {Cells, Owner, Waiters}) ->
    IsOpen = pyport_cells:state(Cells) =:= open,
    IsFunded = pyport_cells:credit(Cells) > Need,
    if
        IsFunded; not IsOpen ->
            Reply ! {Reply, wake},
            ok;
        true ->
            ok = pyport_callers:meet(Pid),
            _ = put({waiter, Pid}, Number),
            _ = put({buffer, Number}, {Cells, Owner, [Waiter | Waiters]}),
            ok
    end.

%% @doc What the program says.
-spec event(buffer_number(), event()) -> ok.
event(Number, Event) ->
    case get({buffer, Number}) of
        undefined -> ok;
        Buffer -> event(Event, Number, Buffer)
    end.

-spec event(event(), buffer_number(), buffer()) -> ok.
event({credit, UpTo}, Number, {Cells, Owner, Waiters}) ->
    ok = pyport_cells:set_credit(Cells, UpTo),
    {Funded, Left} = lists:partition(fun({_, _, Need}) -> UpTo > Need end,
                                     Waiters),
    ok = lists:foreach(fun wake/1, Funded),
    _ = [put({buffer, Number}, {Cells, Owner, Left}) || Funded =/= []],
    ok;
event({refused, Byte}, Number, {Cells, _, _} = Buffer) ->
    _ = pyport_cells:leave_open(Cells, why(Byte)),
    wake_all(Number, Buffer);
event(forgotten, Number, {Cells, _, _} = Buffer) ->
    _ = pyport_cells:leave_open(Cells, closed),
    forget(Number, Buffer).

-spec why(byte()) -> pyport_cells:why().
why(3) -> reader_closed;
why(4) -> no_space;
why(5) -> too_large;
why(_) -> too_many.

-spec wake(waiter()) -> ok.
wake({Pid, Reply, _}) ->
    _ = erase({waiter, Pid}),
    Reply ! {Reply, wake},
    ok.

-spec wake_all(buffer_number(), buffer()) -> ok.
wake_all(Number, {Cells, Owner, Waiters}) ->
    ok = lists:foreach(fun wake/1, Waiters),
    _ = put({buffer, Number}, {Cells, Owner, []}),
    ok.

%% Takes a buffer out of the tables.
-spec forget(buffer_number(), buffer()) -> ok.
forget(Number, {_, Owner, Waiters}) ->
    ok = lists:foreach(fun wake/1, Waiters),
    _ = erase({buffer, Number}),
    pyport_owners:remove(buffers, Owner, Number).

%% @doc A process died. Its buffers are dropped; one that it was writing to
%% ends torn, whoever owns it, because the rest of that write will not come.
-spec down(pid(), pyport_writers:left()) -> [effect()].
down(Pid, Left) ->
    _ = erase({waiter, Pid}),
    Torn = [Number || {buffer, Number, _} <- [Left]],
    Owned = pyport_owners:owned(buffers, Pid),
    lists:append([drop(Each, Pid) || Each <- lists:usort(Torn ++ Owned)]).

-spec drop(buffer_number(), pid()) -> [effect()].
drop(Number, Pid) ->
    case get({buffer, Number}) of
        {Cells, Owner, Waiters} ->
            _ = pyport_cells:leave_open(Cells, closed),
            Others = [Each || {Waiting, _, _} = Each <- Waiters,
                              Waiting =/= Pid],
            ok = forget(Number, {Cells, Owner, Others}),
            Lane = case pyport_cells:is_on_lane(Cells) of
                       true -> lane;
                       false -> link
                   end,
            [{Lane, pyport_wire:buffer(buffer_drop, Number, <<>>)}];
        undefined ->
            []
    end.

%% @doc The program is gone. Who waits is answered when it is known of what
%% it died, see {@link answer_waiters/1}.
-spec gone() -> ok.
gone() ->
    Buffers = [Each || {{buffer, _}, _} = Each <- get()],
    ok = lists:foreach(fun gone/1, Buffers),
    ok = pyport_owners:forget_all(buffers),
    Last = pyport_owners:last(buffers),
    Before = case get(death) of undefined -> 0; {_, UpTo, _} -> UpTo end,
    _ = put(death, {Before, Last, unknown}),
    ok.

-spec gone({{buffer, buffer_number()}, buffer()}) -> ok.
gone({{buffer, _} = Name, {Cells, _, Waiters}}) ->
    ok = pyport_cells:set_gone(Cells),
    _ = erase(Name),
    _ = [put({waiter, Pid}, Reply) || {Pid, Reply, _} <- Waiters],
    ok.

%% @doc Tells those who waited when the program went why it did.
-spec answer_waiters(term()) -> ok.
answer_waiters(Reason) ->
    _ = [begin
             _ = erase(Name),
             Reply ! {Reply, {error, Reason}}
         end || {{waiter, _} = Name, Reply} <- get(), is_reference(Reply)],
    _ = case get(death) of
            {Before, Last, _} -> put(death, {Before, Last, {error, Reason}});
            undefined -> ok
        end,
    ok.
