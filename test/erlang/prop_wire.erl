%% Properties of the codec of docs/protocol.md.
-module(prop_wire).

-export([prop_request/0, prop_packet/0, prop_garbage/0]).

%% Debian's PropEr has no header; this is what its macro does.
-define(FORALL(X, Type, Property), proper:forall(Type, fun(X) -> Property end)).

prop_request() ->
    ?FORALL({Op, Id, Flags, Context, Env, TimeoutMs, Term}, run(),
            begin
                Entry = pyport_wire:entry(pyport_wire:op_byte(Op), Id, Flags,
                                          Context, Env, TimeoutMs, Term,
                                          byte_size(Term)),
                <<Size:32, Message:Size/binary>> = iolist_to_binary(Entry),
                pyport_wire:request(Message) =:=
                    {ok, {run, Op, Id, Flags, Context, Env, TimeoutMs, Term}}
            end).

prop_packet() ->
    ?FORALL(Terms, proper_types:non_empty(proper_types:list(
                       {uint(64), proper_types:binary()})),
            begin
                Messages = [pyport_wire:answer(ok, Id, Term)
                            || {Id, Term} <- Terms],
                Packet = pyport_wire:batch([[<<(byte_size(M)):32>>, M]
                                            || M <- Messages]),
                {ok, Messages} =:= pyport_wire:split(iolist_to_binary(Packet))
            end).

prop_garbage() ->
    ?FORALL(Bytes, proper_types:binary(),
            begin
                Batch = <<16#7F, Bytes/binary>>,
                is_result(pyport_wire:split(Bytes))
                    andalso is_result(pyport_wire:split(Batch))
                    andalso is_result(pyport_wire:request(Bytes))
                    andalso is_result(pyport_wire:answer(Bytes))
            end).

%% Internal.

is_result({ok, _}) -> true;
is_result(error) -> true.

run() ->
    {proper_types:elements([call, eval, exec]), uint(64), uint(8), uint(32),
     uint(64), uint(32), proper_types:binary()}.

uint(Bits) ->
    proper_types:integer(0, (1 bsl Bits) - 1).
