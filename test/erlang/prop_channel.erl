%% A channel is two queues, whatever is done to it from both sides: nothing is
%% lost, duplicated or reordered, and a limit is exact. Only what Python has
%% not received when it closes the channel and lets go of it is gone.
-module(prop_channel).

-export([prop_two_queues/0]).

%% Debian's PropEr has no header; this is what its macro does.
-define(FORALL(X, Type, Property), proper:forall(Type, fun(X) -> Property end)).

-define(WAIT_MS, 20000).

%% What the two queues hold, first first, and who waits in Erlang.
-record(model, {
    channel :: reference(),
    max :: non_neg_integer(),
    next = 0 :: non_neg_integer(),
    to_python = [] :: [binary()],
    to_erlang = [] :: [binary()],
    waiting = [] :: [{pid(), reference()}],
    is_closed = false :: boolean()
}).

prop_two_queues() ->
    ?FORALL({Max, Steps},
            {proper_types:oneof([0, 50, 20000]),
             proper_types:resize(60, proper_types:list(step()))},
            holds(Max, Steps)).

step() ->
    proper_types:frequency(
      [{6, {send, size()}}, {3, {send_in_time, size()}},
       {6, {python_send, size()}}, {5, recv}, {3, try_receive}, {2, wait},
       {2, kill_waiting}, {6, {python, try_receive}},
       {3, {python, receive_in_time}}, {2, {python, receive_and_cancel}},
       {1, close}, {1, {python, close}}]).

size() ->
    proper_types:frequency([{5, proper_types:integer(0, 25)},
                            {1, proper_types:integer(15000, 20000)}]).

holds(Max, Steps) ->
    {ok, Channel} = py_byte_channel:new(#{max_size => Max}),
    Model = #model{channel = Channel, max = Max},
    try
        drained(lists:foldl(fun step/2, Model, Steps ++ [close]))
    catch
        %% PropEr prints the steps and looks for fewer that do the same.
        error:Reason:Stack ->
            ct:pal("~tP~n~tP", [Reason, 20, Stack, 20]),
            false
    end.

%% A message says which it is, as far as there is room for that.
message(Bytes, #model{next = Next} = M) ->
    Name = <<(Next rem 251), Next:32>>,
    Message = binary:part(<<Name/binary, 0:(Bytes * 8)>>, 0, Bytes),
    {Message, M#model{next = Next + 1}}.

has_room(_, _, 0) -> true;
has_room(Message, Queue, Max) ->
    iolist_size([Message | Queue]) =< Max.

step({send, Bytes}, M0) ->
    {Message, #model{channel = Channel} = M} = message(Bytes, M0),
    sent(py_byte_channel:send(Channel, Message), Message, M);
step({send_in_time, Bytes}, M0) ->
    {Message, #model{channel = Channel} = M} = message(Bytes, M0),
    Ms = time(Message, M#model.to_python, M),
    sent_in_time(py_byte_channel:send(Channel, Message, Ms), Message, M);
step({python_send, Bytes}, M0) ->
    {Message, #model{channel = Channel} = M} = message(Bytes, M0),
    Ms = time(Message, M#model.to_erlang, M),
    {ok, Result} = python(send_in_time, [Channel, {bytes, Message}, Ms]),
    python_sent(Result, Message, M);
step(recv, #model{channel = Channel, waiting = []} = M) ->
    received(py_byte_channel:recv(Channel, 0), timeout, M);
step(try_receive, #model{channel = Channel, waiting = []} = M) ->
    received(py_byte_channel:try_receive(Channel), empty, M);
step(Receive, M) when Receive =:= recv; Receive =:= try_receive ->
    M; %% those who wait come first
step(wait, #model{channel = Channel, waiting = Waiting} = M) ->
    Waiter = py_buffer_case:async(
               fun() -> py_byte_channel:recv(Channel, ?WAIT_MS) end),
    case M#model.is_closed orelse M#model.to_erlang =/= [] of
        true ->
            received(py_buffer_case:await(Waiter), closed, M);
        false ->
            ok = until_waiting(Channel, element(1, Waiter)),
            M#model{waiting = Waiting ++ [Waiter]}
    end;
step(kill_waiting, #model{waiting = []} = M) ->
    M;
step(kill_waiting, #model{waiting = [{Pid, Monitor} | Waiting]} = M) ->
    true = exit(Pid, kill),
    killed = py_case:down(Monitor),
    M#model{waiting = Waiting};
%% The call lets go of the channel.
step({python, close}, #model{is_closed = false} = M) ->
    {ok, none} = python(close, [M#model.channel]),
    closed(M#model{to_python = []});
step({python, close}, M) ->
    {ok, none} = python(close, [M#model.channel]),
    closed(M);
step({python, Receive}, #model{channel = Channel, to_python = Queue} = M) ->
    {ok, Result} = python(Receive, [Channel]),
    case {Queue, Result} of
        {[Message | Left], Message} -> M#model{to_python = Left};
        {_, cancelled} when Receive =:= receive_and_cancel -> M;
        {[], <<"closed">>} -> true = M#model.is_closed, M;
        {[], <<"nothing">>} -> false = M#model.is_closed, M
    end;
step(close, #model{channel = Channel} = M) ->
    ok = py_byte_channel:close(Channel),
    closed(M).

%% Long enough where there is room: who waits is told.
time(Message, Queue, #model{max = Max}) ->
    case has_room(Message, Queue, Max) of
        true -> ?WAIT_MS;
        false -> 1
    end.

%% A refusal may come because the other side has not told yet what it took.
sent(ok, Message, #model{to_python = Queue, is_closed = false} = M) ->
    true = has_room(Message, Queue, M#model.max),
    M#model{to_python = Queue ++ [Message]};
sent(busy, _, #model{is_closed = false, max = Max} = M) when Max > 0 ->
    M;
sent({error, closed}, _, #model{is_closed = true} = M) ->
    M.

sent_in_time({error, {too_large, Bytes, Max}}, Message,
             #model{max = Max} = M) ->
    Bytes = byte_size(Message),
    true = Bytes > Max,
    M;
sent_in_time({error, timeout}, Message, #model{is_closed = false} = M) ->
    false = has_room(Message, M#model.to_python, M#model.max),
    M;
sent_in_time(Result, Message, M) when Result =/= busy ->
    sent(Result, Message, M).

python_sent(<<"sent">>, Message,
            #model{to_erlang = Queue, is_closed = false} = M) ->
    true = has_room(Message, Queue, M#model.max),
    given(M#model{to_erlang = Queue ++ [Message]});
python_sent(<<"timeout">>, Message, #model{is_closed = false} = M) ->
    false = has_room(Message, M#model.to_erlang, M#model.max),
    M;
python_sent(<<"too_large">>, Message, #model{max = Max} = M) ->
    true = Max > 0 andalso byte_size(Message) > Max,
    M;
python_sent(<<"closed">>, _, #model{is_closed = true} = M) ->
    M.

python(Function, Args) -> py:call(talks, Function, Args).

%% Those who wait learn it when Python knows: what it sent before may still
%% come, but here it was in nobody's way.
closed(#model{waiting = Waiting} = M) ->
    [{error, closed} = py_buffer_case:await(Each) || Each <- Waiting],
    M#model{is_closed = true, waiting = []}.

%% Messages go to those who wait, in turn.
given(#model{waiting = [Waiter | Waiting], to_erlang = [Message]} = M) ->
    {ok, Message} = py_buffer_case:await(Waiter),
    M#model{waiting = Waiting, to_erlang = []};
given(M) ->
    M.

received({ok, Message}, _, #model{to_erlang = [Message | Left]} = M) ->
    M#model{to_erlang = Left};
received({error, closed}, _, #model{to_erlang = [], is_closed = true} = M) ->
    M;
%% Python may not have answered the close yet.
received({error, Nothing}, Nothing, #model{to_erlang = []} = M) ->
    M.

until_waiting(Channel, Pid) ->
    {Link, _} = pyport_lanes:find(pyport_channel_cells:key(Channel)),
    pyport_channel_case:until_waiting(Link, Pid).

%% What is left is still there, in order, and then the end.
drained(#model{channel = Channel, to_python = ToPython,
               to_erlang = ToErlang}) ->
    {ok, ToPython} = python(drain, [Channel]),
    ToErlang = py_channel_case:collect(py_byte_channel, Channel),
    true.
