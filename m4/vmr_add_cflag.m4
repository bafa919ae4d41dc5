# VMR_ADD_CFLAG(FLAG): add FLAG to VMR_CFLAGS when the compiler accepts it without a warning.
AC_DEFUN([VMR_ADD_CFLAG], [
  AC_MSG_CHECKING([whether $CC accepts $1])
  vmr_saved_CFLAGS=$CFLAGS
  CFLAGS="$CFLAGS -Werror $1"
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
    [VMR_CFLAGS="$VMR_CFLAGS $1"; AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])])
  CFLAGS=$vmr_saved_CFLAGS
])
