%% @private
%% @doc The making of a channel: its options, its place, its handle.
-module(pyport_channel_new).

-export([new/3]).
%% For other nodes.
-export([new_at/3]).

-type made() :: {ok, pyport_channel_cells:handle()}
              | {error, pyport_channel:reason()}.

-define(BYTES_MAX, (1 bsl 57)).

%% @doc Makes a channel for its owner, where the options say.
-spec new(pyport_channel:kind(), pid(), term()) -> made().
new(Kind, Owner, Options) ->
    case pyport_args:options(Options, rules()) of
        ok -> pyport_object:place(?MODULE, Owner, Options#{kind => Kind},
                                  invalid_channel);
        Invalid -> Invalid
    end.

-spec rules() -> #{atom() => pyport_args:rule()}.
rules() ->
    #{max_size => {fun(N) ->
                       is_integer(N) andalso N >= 0 andalso N =< ?BYTES_MAX
                   end, <<"a number of bytes; 0 is no bound">>},
      context => {fun is_pid/1, <<"a pid">>}}.

%% @doc REQUIRES: a link of this node.
-spec new_at(pid(), pid(), map()) -> made().
new_at(Link, Owner, #{kind := Kind} = Options) ->
    Max = maps:get(max_size, Options, 0),
    Cells = pyport_channel_cells:new(Kind, Max),
    New = #{kind => Kind, bytes_max => Max,
            reference => term_to_binary(Cells)},
    pyport_object:make(channels, Link, {Owner, Cells}, New).
