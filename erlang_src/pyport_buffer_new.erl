%% @private
%% @doc The making of a buffer: its options, its place, its handle.
-module(pyport_buffer_new).

-export([new/2]).
%% For other nodes.
-export([new_at/3]).

-type made() :: {ok, pyport_cells:handle()}
              | {error, pyport_buffer:reason()}.

-define(BYTES_MAX, 16#7FFFFFFFFFFFFFFF).
-define(UNLIMITED, 16#FFFFFFFFFFFFFFFF).
-define(A_SIZE, <<"a number of bytes">>).

%% @doc Makes a buffer for its owner, where the options say.
-spec new(pid(), map()) -> made().
new(Owner, Options) ->
    case pyport_args:options(Options, rules()) of
        ok -> pyport_object:place(?MODULE, Owner, Options, invalid_buffer);
        Invalid -> Invalid
    end.

-spec rules() -> #{atom() => pyport_args:rule()}.
rules() ->
    #{content_length => {fun(N) -> N =:= undefined orelse is_size(N) end,
                         <<"a number of bytes, or undefined">>},
      max_size => {fun(N) -> N =:= infinity orelse is_size(N) end,
                   <<"a number of bytes, or infinity">>},
      overflow_threshold => {fun is_size/1, ?A_SIZE},
      retain => {fun(R) -> R =:= all orelse R =:= unread end,
                 <<"all or unread">>},
      window => {fun pyport_args:is_window/1,
                 <<"a power of two from 65536 to 1073741824">>},
      context => {fun is_pid/1, <<"a pid">>}}.

-spec is_size(term()) -> boolean().
is_size(N) ->
    is_integer(N) andalso N >= 0 andalso N =< ?BYTES_MAX.

%% @doc REQUIRES: a link of this node.
-spec new_at(pid(), pid(), map()) -> made().
new_at(Link, Owner, Options) ->
    case {pyport_hosts:setting(buffer_window),
          pyport_hosts:setting(overflow_threshold)} of
        {{ok, Window}, {ok, Threshold}} ->
            Defaults = #{window => Window, overflow_threshold => Threshold,
                         content_length => undefined, max_size => infinity},
            make(Link, Owner, maps:merge(Defaults, Options));
        {Error, _} ->
            Error
    end.

-spec make(pid(), pid(), map()) -> made().
make(_, _, #{content_length := Length, max_size := Max})
  when is_integer(Length), is_integer(Max), Length > Max ->
    {error, {invalid_option, content_length, <<"at most max_size">>}};
make(Link, Owner, #{content_length := Length, max_size := Max} = Options) ->
    Cells = pyport_cells:new(Length, Max),
    New = #{retain => retain(Options), window => maps:get(window, Options),
            length => case Length of undefined -> none; _ -> Length end,
            bytes_max => case Max of infinity -> ?UNLIMITED; _ -> Max end,
            overflow_threshold => maps:get(overflow_threshold, Options),
            reference => term_to_binary(Cells)},
    pyport_object:make(buffers, Link, {Owner, Cells}, New).

-spec retain(map()) -> all | unread.
retain(#{retain := Retain}) -> Retain;
retain(#{content_length := undefined}) -> unread;
retain(_) -> all.
