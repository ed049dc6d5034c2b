struct Migration;
